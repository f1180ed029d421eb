/** One request to one member of an etcd cluster: what became of it, never an exception. */
import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** Texts in PEM. Absent: the system's own certificate authorities, no client certificate. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type Outcome =
  | { readonly kind: "answer"; readonly status: number; readonly text: string }
  /** A connection that can never work as it is set up. `code` is Node's or OpenSSL's word for it. */
  | { readonly kind: "untrusted"; readonly code: string; readonly reason: string }
  /** `sent`: the member may have done what was asked. */
  | { readonly kind: "silence"; readonly sent: boolean; readonly reason: string };

export interface Question {
  readonly endpoint: string;
  readonly path: string;
  readonly body: string;
  readonly token?: string;
  readonly timeoutMs: number;
}

/** More at a time would queue in the member anyway. */
const maxSockets = 64;
const maxAnswerBytes = 64 * 1024 * 1024;

/** Connections to the members, kept open between requests. */
export class Wires {
  readonly #plain: http.Agent;
  readonly #secure: https.Agent;

  constructor(tls: TlsMaterial) {
    this.#plain = new http.Agent({ keepAlive: true, maxSockets });
    this.#secure = new https.Agent({ keepAlive: true, maxSockets, rejectUnauthorized: true, ...tls });
  }

  ask(question: Question): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const state = { connected: false, sent: false };
    const request = this.#open(question);
    const giveUp = () => {
      resolve({ kind: "silence", sent: state.sent, reason: `no answer within ${question.timeoutMs} ms` });
      request.destroy();
    };
    // If it was this process that was held up, an answer that has come meanwhile is read before an immediate is run.
    const timer = setTimeout(() => setImmediate(giveUp), question.timeoutMs);
    request.on("socket", (socket) => watchConnection(socket, question.endpoint, state));
    request.on("error", (error) => resolve(outcomeOf(error, question.endpoint, state)));
    request.on("response", (response) => {
      collect(response).then(
        (text) => resolve({ kind: "answer", status: response.statusCode ?? 0, text }),
        (error: Error) => resolve(outcomeOf(error, question.endpoint, { connected: true, sent: true })),
      );
    });
    request.end(question.body);
    return promise.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #open({ endpoint, path, body, token }: Question): http.ClientRequest {
    const url = new URL(path, endpoint);
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(token === undefined ? {} : { authorization: token }),
    };
    return url.protocol === "https:"
      ? https.request(url, { method: "POST", headers, agent: this.#secure })
      : http.request(url, { method: "POST", headers, agent: this.#plain });
  }
}

interface Progress {
  /** By TCP. */
  connected: boolean;
  /** The request may be with the member. */
  sent: boolean;
}

function watchConnection(socket: Socket, endpoint: string, progress: Progress): void {
  const isSecure = endpoint.startsWith("https:");
  const isOld = !socket.connecting && (!isSecure || (socket as TLSSocket).getProtocol?.() !== null);
  progress.connected = isOld;
  progress.sent = isOld;
  if (isOld) {
    return;
  }
  socket.once("connect", () => {
    progress.connected = true;
    progress.sent ||= !isSecure;
  });
  socket.once("secureConnect", () => {
    progress.sent = true;
  });
}

async function collect(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) {
      throw new Error(`its answer is longer than ${maxAnswerBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Words of Node's TLS for a peer that is not who it should be, or that does not want us; see tls.md, X509 errors. */
const distrust =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

function outcomeOf(error: NodeJS.ErrnoException, endpoint: string, { connected, sent }: Progress): Outcome {
  const code = error.code ?? "";
  const isSecure = endpoint.startsWith("https:");
  // A member without TLS hangs up on the first bytes of a handshake.
  if (distrust.test(code) || (isSecure && connected && !sent && code === "ECONNRESET")) {
    return { kind: "untrusted", code, reason: error.message };
  }
  const reason = code === "" ? error.message : code;
  return {
    kind: "silence",
    sent,
    reason: isSecure || code !== "ECONNRESET" ? reason : `${reason} (does it want https?)`,
  };
}
