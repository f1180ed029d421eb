import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Stats } from "node:fs";
import { lstat, mkdir, rename, unlink } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { FairwayError } from "../errors.ts";

/** A server that accepts connections until it is closed. */
export interface Listener extends AsyncDisposable {
  /** Takes no new calls, lets running ones end within the grace period, then cuts the rest. */
  close(graceMs?: number): Promise<void>;
}

/** sun_path in unix(7) holds 108 bytes, the last one zero. */
const longestSocketPath = 107;
const defaultGraceMs = 10_000;

/** Serves the socket that systemd opened, and leaves it in place. @throws FairwayError FW2008. */
export async function listenOnFd(server: Server, fd: number): Promise<Listener> {
  await listen(server, `descriptor ${fd}`, () => server.listen({ fd }));
  return listener(server, async () => undefined);
}

/**
 * Serves a socket that only root can open, at `path`; makes its directory if there is none.
 *
 * It is bound under another name and moved into place, so an engine finds a socket there at every instant, one that is
 * ready and has its final mode.
 *
 * @throws FairwayError FW2003 if somebody serves it already, FW2008 if it cannot be had.
 */
export async function listenOnPath(server: Server, path: string): Promise<Listener> {
  const newPath = `${path}.${randomBytes(3).toString("hex")}`;
  if (Buffer.byteLength(newPath) > longestSocketPath) {
    const what = `socket path ${JSON.stringify(path)} is too long`;
    throw new FairwayError({ code: "FW2008", what, fix: `keep it below ${longestSocketPath - 6} bytes` });
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 }).catch((cause: unknown) => {
    throw unusable(path, cause);
  });
  await requireFree(path);
  await listen(server, path, () => listenForRootOnly(server, newPath));
  const own = await moveIntoPlace(newPath, path, server);
  return listener(server, async () => await unlinkOwn(path, own));
}

/** Binding happens inside listen(), so no other file can be created under this mask. */
function listenForRootOnly(server: Server, path: string): void {
  const mask = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(mask);
  }
}

async function listen(server: Server, name: string, start: () => void): Promise<void> {
  const listening = once(server, "listening");
  try {
    start();
    await listening;
  } catch (cause) {
    throw unusable(name, cause);
  }
}

async function moveIntoPlace(from: string, to: string, server: Server): Promise<Stats> {
  try {
    await rename(from, to);
    return await lstat(to);
  } catch (cause) {
    server.close();
    throw unusable(to, cause);
  }
}

async function requireFree(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    return;
  }
  if (!stats.isSocket()) {
    const what = `${JSON.stringify(path)} exists and is not a socket`;
    throw new FairwayError({ code: "FW2008", what, fix: "remove it, or choose another path" });
  }
  const errno = await tryConnecting(path);
  if (errno === "ECONNREFUSED" || errno === "ENOENT") {
    return;
  }
  // A full backlog gives EAGAIN: somebody serves it, slowly.
  if (errno === undefined || errno === "EAGAIN") {
    const what = `another process serves ${JSON.stringify(path)}`;
    throw new FairwayError({ code: "FW2003", what, fix: "stop it first, or choose another path" });
  }
  throw unusable(path, new Error(errno));
}

/** Undefined: somebody answers. Otherwise the errno. */
async function tryConnecting(path: string): Promise<string | undefined> {
  const socket = connect({ path });
  try {
    await once(socket, "connect");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "EIO";
  } finally {
    socket.destroy();
  }
}

function listener(server: Server, remove: () => Promise<void>): Listener {
  const close = async (graceMs = defaultGraceMs): Promise<void> => {
    const closed = once(server, "close");
    await remove();
    server.close();
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(cut);
  };
  return { close, [Symbol.asyncDispose]: async () => await close() };
}

async function unlinkOwn(path: string, own: Stats): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.ino === own.ino && found.dev === own.dev) {
    await unlink(path);
  }
}

function unusable(path: string, cause: unknown): FairwayError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FairwayError({ code: "FW2008", what: `cannot listen on ${JSON.stringify(path)}`, why, cause });
}
