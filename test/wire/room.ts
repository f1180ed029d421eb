import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { TestContext } from "node:test";
import { createLogger, type LogLevel } from "../../src/log.ts";
import { createApp, createServer, type ServerOptions } from "../../src/wire/server.ts";
import { listenOnPath } from "../../src/wire/socket.ts";
import { FakeDriver } from "../fakes/fake-driver.ts";
import { FakeIpam } from "../fakes/fake-ipam.ts";

export const networkId = "92f48d150770b41f73d688174a3f43150877c1ce8d4123a39ea9bd5a60bc734a";
export const endpointId = "b0a224eaf4cd1a8f2d2595455dddb6fbeaff48889d592f8694f2ea69a7850f5d";

export interface Room {
  readonly driver: FakeDriver;
  readonly ipam: FakeIpam;
  readonly socketPath: string;
  /** What superagent calls the socket. */
  readonly url: string;
  /** Parsed log lines so far. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

export interface RoomOptions extends ServerOptions {
  readonly deadlineMs?: number;
  readonly level?: LogLevel;
}

/** The wire room on a real socket before a fake driver, gone when the test is. */
export async function openRoom(t: TestContext, options: RoomOptions = {}): Promise<Room> {
  const { deadlineMs = 10_000, level = "info", ...serverOptions } = options;
  const directory = await temporaryDirectory(t);
  const socketPath = join(directory, "plugin.sock");
  const driver = new FakeDriver();
  const ipam = new FakeIpam();
  const { logger, log } = recordingLogger(level);
  const server = createServer(createApp({ driver, ipam, logger, deadlineMs }), serverOptions);
  const listener = await listenOnPath(server, socketPath);
  t.after(async () => await listener.close(0));
  return { driver, ipam, socketPath, url: `http+unix://${encodeURIComponent(socketPath)}`, log };
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "wire-"));
  t.after(async () => await rm(directory, { recursive: true, force: true }));
  return directory;
}

export function recordingLogger(level: LogLevel) {
  const log: Record<string, unknown>[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      log.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { logger: createLogger({ level, format: "json", stream }), log };
}

/** Everything that arrives, as text, until `enough` says so or the other side ends. */
export async function exchange(
  socketPath: string,
  bytes: string | Buffer,
  enough: (text: string) => boolean,
): Promise<string> {
  const socket = await openSocket(socketPath);
  socket.write(bytes);
  try {
    return await receive(socket, enough);
  } finally {
    socket.destroy();
  }
}

export async function openSocket(socketPath: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ path: socketPath });
  socket.once("connect", resolve).once("error", reject);
  await promise;
  return socket;
}

export async function receive(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let text = "";
  const take = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    if (enough(text)) {
      resolve();
    }
  };
  socket.on("data", take).once("close", resolve).once("error", resolve);
  await promise;
  socket.off("data", take);
  return text;
}

/** A request as an old engine writes it: empty Host, no Content-Type. */
export function rawRequest(path: string, body: string): string {
  const head = [`POST ${path} HTTP/1.1`, "Host: ", "User-Agent: Go-http-client/1.1"];
  const accept = "Accept: application/vnd.docker.plugins.v1.2+json";
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, accept, "", body].join("\r\n");
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadlineMs) {
      throw new Error(`gave up waiting until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
