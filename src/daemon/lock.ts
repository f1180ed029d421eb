import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { FairwayError } from "../errors.ts";

/**
 * One daemon per state directory. The lock is an abstract unix socket (unix(7)): the kernel frees it when the process
 * ends, however it ends, and no file is left that could be stale.
 *
 * @throws FairwayError FW2003 when another instance holds it.
 */
export async function lockStateDir(stateDir: string): Promise<AsyncDisposable> {
  const name = `\0fairway-${createHash("sha256").update(stateDir).digest("hex").slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy());
  await listen(server, name, stateDir);
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listen(server: Server, name: string, stateDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? secondInstance(stateDir) : error);
    });
    server.listen(name, () => resolve());
  });
}

function secondInstance(stateDir: string): FairwayError {
  return new FairwayError({
    code: "FW2003",
    what: `another fairway daemon is running with state directory ${stateDir}`,
    why: "two daemons on the same records would undo each other's work",
    fix: "stop the other one first (`systemctl stop fairway`), or give this one its own --state-dir and --plugin-socket",
  });
}
