// request.mjs udp|tcp HOST PORT TIMEOUT_MS SOURCE_PORT DATA: one request, one line of JSON as answer.
// udp: sends DATA and waits for a datagram. tcp: connects, and closes again.
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";

const [protocol, host, port, timeoutMs, sourcePort, data] = process.argv.slice(2);

function answer(result) {
  console.log(JSON.stringify(result));
  process.exit(0);
}

const fail = (error) => answer({ ok: false, failure: error.code ?? "other", detail: error.message });
setTimeout(
  () => answer({ ok: false, failure: "ETIMEDOUT", detail: `no answer in ${timeoutMs} ms` }),
  Number(timeoutMs),
);

if (protocol === "udp") {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  socket.on("error", fail);
  socket.on("message", (message, from) => {
    answer({ ok: true, body: message.toString(), from: from.address, fromPort: from.port });
  });
  socket.bind(Number(sourcePort), () => {
    // Connected, so that the kernel reports a refusal; answers from another address than the one asked are lost.
    socket.connect(Number(port), host, (error) => (error ? fail(error) : socket.send(data)));
  });
} else {
  const socket = connect({
    host,
    port: Number(port),
    ...(sourcePort === "0" ? {} : { localPort: Number(sourcePort) }),
  });
  socket.on("error", fail);
  socket.on("connect", () => answer({ ok: true, body: "", from: socket.remoteAddress, fromPort: socket.localPort }));
}
