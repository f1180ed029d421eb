// probe.mjs HOST PORT INTERVAL_MS: one numbered datagram each interval to the server of the lab, until SIGTERM.
// "answer NUMBER SENT_MS HOST" for each that comes back, with the clock's time at which it left; "sent COUNT" at the end.
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

const LAST_ANSWER_MS = 500;
const [host, port, intervalMs] = process.argv.slice(2);
const sentMs = [];
const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");

// Not connected: an error that the network reports must not end the probing.
function send() {
  const number = sentMs.push(performance.timeOrigin + performance.now()) - 1;
  socket.send(String(number), Number(port), host, () => undefined);
}

socket.on("error", () => undefined);
socket.on("message", (message) => {
  const { host: answerer, data } = JSON.parse(message.toString());
  console.log(`answer ${data} ${sentMs[Number(data)]} ${answerer}`);
});
send();
const timer = setInterval(send, Number(intervalMs));
process.on("SIGTERM", () => {
  clearInterval(timer);
  setTimeout(() => {
    console.log(`sent ${sentMs.length}`);
    process.exit(0);
  }, LAST_ANSWER_MS);
});
