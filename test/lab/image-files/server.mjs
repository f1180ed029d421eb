// server.mjs tcp:FIRST-LAST udp:PORT ...: HTTP on TCP ports, echo on UDP ports, IPv4 and IPv6. Every answer tells who asked.
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { hostname } from "node:os";

const host = hostname();
const plain = (address) => address.replace(/^::ffff:/, "");

function serveTcp(port) {
  const server = createServer((request, response) => {
    const { remoteAddress, remotePort, localAddress, localPort } = request.socket;
    const answer = { host, peer: plain(remoteAddress), peerPort: remotePort, local: plain(localAddress), localPort };
    response.setHeader("Content-Type", "application/json");
    response.end(`${JSON.stringify(answer)}\n`);
  });
  server.keepAliveTimeout = 0;
  return new Promise((resolve) => server.listen(port, "::", resolve));
}

function serveUdp(port) {
  const socket = createSocket({ type: "udp6", ipv6Only: false });
  socket.on("message", (data, { address, port: peerPort }) => {
    const answer = { host, peer: plain(address), peerPort, localPort: port, data: data.toString() };
    socket.send(JSON.stringify(answer), peerPort, address);
  });
  return new Promise((resolve) => socket.bind(port, "::", resolve));
}

const starts = process.argv.slice(2).flatMap((argument) => {
  const [protocol, range] = argument.split(":");
  const [first, last = first] = range.split("-").map(Number);
  const ports = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return ports.map(protocol === "udp" ? serveUdp : serveTcp);
});
process.on("SIGTERM", () => process.exit(0));
await Promise.all(starts);
console.log("ready");
