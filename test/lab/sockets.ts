import { request } from "node:http";
import { connect } from "node:net";

const ANSWER_TIMEOUT_MS = 5000;

/** Does anything accept connections on this unix socket? */
export function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** GET over a unix socket. Status 0: nobody answered. */
export function get(socketPath: string, url: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve) => {
    const silent = () => resolve({ status: 0, body: "" });
    const call = request({ socketPath, path: url, agent: false, timeout: ANSWER_TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", silent);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    call.once("timeout", () => call.destroy());
    call.once("error", silent);
    call.once("close", silent);
    call.end();
  });
}
