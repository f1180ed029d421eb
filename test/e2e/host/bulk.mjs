// bulk.mjs serve PORT BYTES: reads all that a caller sends, then sends so many bytes back. Prints "ready".
// bulk.mjs call HOST PORT BYTES: the other side; prints how many bytes came back.
import { connect, createServer } from "node:net";

const [task, ...words] = process.argv.slice(2);

function serve(port, bytes) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined).resume();
    socket.on("end", () => socket.end(Buffer.alloc(bytes)));
  });
  server.listen(port, "::", () => console.log("ready"));
}

function call(host, port, bytes) {
  const socket = connect({ host, port, allowHalfOpen: true }, () => socket.end(Buffer.alloc(bytes)));
  let received = 0;
  socket.on("data", (data) => {
    received += data.length;
  });
  socket.setTimeout(8000, () => socket.destroy(new Error("silence")));
  socket.on("end", () => console.log(received));
}

if (task === "serve") {
  serve(Number(words[0]), Number(words[1]));
} else {
  call(words[0], Number(words[1]), Number(words[2]));
}
