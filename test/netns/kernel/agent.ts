/** Runs inside a network namespace, serves and asks there on command. Driven by sandbox.ts over the IPC channel. */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

export type Transport = "tcp" | "udp";

export interface ServeCommand {
  readonly serve: Transport;
  readonly port: number;
  readonly greeting: string;
  readonly address?: string;
}

export interface AskCommand {
  readonly ask: Transport;
  readonly address: string;
  readonly port: number;
  readonly from?: string;
  readonly fromPort?: number;
  /** Size of the question; udp only. Default 1. */
  readonly bytes?: number;
  readonly timeoutMs: number;
}

export type AgentCommand = (ServeCommand | AskCommand) & { readonly id: number };
export interface AgentReply {
  readonly id: number;
  readonly text: string;
}

if (process.send !== undefined && import.meta.main) {
  process.on("message", (command: AgentCommand) => {
    const work = "serve" in command ? serve(command) : ask(command);
    work.then(
      (text) => process.send?.({ id: command.id, text } satisfies AgentReply),
      (error: NodeJS.ErrnoException) => process.send?.({ id: command.id, text: error.code ?? error.message }),
    );
  });
  process.on("disconnect", () => process.exit());
  process.send({ id: 0, text: "ready" } satisfies AgentReply);
}

/** Answers each caller with the greeting and the address it came from, as in "c1 10.0.0.1". */
function serve({ serve: transport, port, greeting, address }: ServeCommand): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const host = address ?? "::";
  if (transport === "tcp") {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(`${greeting} ${plain(socket.remoteAddress)}`);
    });
    server.once("error", reject);
    server.listen({ host, port }, () => resolve("serving"));
  } else {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.on("message", (_, peer) => socket.send(`${greeting} ${plain(peer.address)}`, peer.port, peer.address));
    socket.once("error", reject);
    socket.bind(port, host, () => resolve("serving"));
  }
  return promise;
}

/** The answer, or the errno, or "timeout". */
export function ask(command: Omit<AskCommand, "id">): Promise<string> {
  return command.ask === "tcp" ? askTcp(command) : askUdp(command);
}

function askTcp({ address, port, from, fromPort, timeoutMs }: AskCommand): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({
    host: address,
    port,
    ...(from === undefined ? {} : { localAddress: from }),
    ...(fromPort === undefined ? {} : { localPort: fromPort }),
  });
  const timer = setTimeout(() => socket.destroy(new Error("timeout")), timeoutMs);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.on("close", () => {
    clearTimeout(timer);
    resolve(text === "" ? "nothing" : text);
  });
  return promise;
}

function askUdp({ address, port, from, fromPort, bytes = 1, timeoutMs }: AskCommand): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  const finish = (text: string): void => {
    clearTimeout(timer);
    socket.close();
    resolve(text);
  };
  const timer = setTimeout(() => finish("timeout"), timeoutMs);
  socket.once("message", (answer) => finish(answer.toString()));
  socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  socket.bind(fromPort ?? 0, from, () => socket.connect(port, address, () => socket.send("?".repeat(bytes))));
  return promise;
}

function plain(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}
