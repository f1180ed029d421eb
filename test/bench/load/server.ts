/** server.ts PORT: serves one connection after the other, with blocking system calls. */
import { modes } from "./modes.ts";
import { accept, check, close, listenOn, recv, send } from "./sockets.ts";

const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const one = Buffer.alloc(1);

function serve(fd: number): void {
  // A client that went away is the next one's turn; the client program notices what is missing.
  if (recv(fd, one, 0) !== 1) {
    return;
  }
  if (one[0] === modes.connect) {
    send(fd, one, 0);
    return;
  }
  const isEcho = one[0] === modes.echo;
  for (let length = recv(fd, buffer, 0); length > 0; length = recv(fd, buffer, 0)) {
    if (isEcho) {
      send(fd, buffer.subarray(0, length), 0);
    }
  }
  if (!isEcho) {
    send(fd, one, 0);
  }
}

const listener = listenOn(Number(process.argv[2]));
while (true) {
  const fd = check("accept", accept(listener));
  serve(fd);
  close(fd);
}
