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

interface Answer {
  /** 0: nobody answered. */
  readonly status: number;
  readonly body: string;
}

/** GET over a unix socket. */
export function get(socketPath: string, url: string): Promise<Answer> {
  return ask(socketPath, url, "GET");
}

/** POST of JSON over a unix socket. */
export function post(socketPath: string, url: string, body: object): Promise<Answer> {
  return ask(socketPath, url, "POST", JSON.stringify(body));
}

function ask(socketPath: string, url: string, method: string, body = ""): Promise<Answer> {
  return new Promise((resolve) => {
    const silent = () => resolve({ status: 0, body: "" });
    const options = { socketPath, path: url, method, agent: false, timeout: ANSWER_TIMEOUT_MS };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", silent);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    call.once("timeout", () => call.destroy());
    call.once("error", silent);
    call.once("close", silent);
    call.end(body);
  });
}
