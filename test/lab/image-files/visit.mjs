// visit.mjs: a list of visits as JSON on stdin, one outcome each as JSON on stdout, all tried at once.
// {over: "tcp"|"udp", to, port, patienceMs, sourcePort?, sourceAddress?} -> {answer} or {failure}
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { text } from "node:stream/consumers";

function overTcp({ to, port, sourcePort, sourceAddress }, done) {
  const socket = connect({
    host: to,
    port,
    ...(sourcePort === undefined ? {} : { localPort: sourcePort }),
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
  });
  let received = "";
  socket.on("error", (error) => done({ failure: error.code }));
  socket.on("connect", () => socket.end("GET /cgi-bin/who HTTP/1.0\r\n\r\n"));
  socket.on("data", (data) => {
    received += data;
  });
  socket.on("close", () => {
    const body = received.indexOf("\r\n\r\n");
    done(body === -1 ? { failure: "ECLOSED" } : { answer: received.slice(body + 4) });
  });
  return () => socket.destroy();
}

function overUdp({ to, port, sourcePort = 0, sourceAddress }, done) {
  const socket = createSocket(isIPv6(to) ? "udp6" : "udp4");
  socket.on("error", (error) => done({ failure: error.code }));
  socket.on("message", (message) => done({ answer: message.toString() }));
  socket.bind(sourcePort, sourceAddress, () => {
    // Connected, so that the kernel reports a refusal; answers from another address than the one asked are lost.
    socket.connect(port, to, (error) => (error ? done({ failure: error.code }) : socket.send("?")));
  });
  return () => socket.close();
}

function go(visit) {
  return new Promise((resolve) => {
    let close = () => undefined;
    const done = (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      close();
      done({ failure: "ETIMEDOUT" });
    }, visit.patienceMs);
    close = (visit.over === "udp" ? overUdp : overTcp)(visit, done);
  });
}

const outcomes = await Promise.all(JSON.parse(await text(process.stdin)).map(go));
console.log(JSON.stringify(outcomes));
process.exit(0);
