import { createServer, type Server } from "node:net";
import { FairwayError } from "../errors.ts";

/** Abstract unix sockets (unix(7)) belong to a network namespace, and so do the interfaces that two daemons would share. */
const lockName = "\0fairway";

/**
 * One daemon per network namespace: a second one would take the first one's interfaces for leftovers. The kernel frees
 * this lock when the process ends, however it ends, and no file is left that could be stale.
 *
 * @throws FairwayError FW2003 when another instance holds it.
 */
export async function lockNetwork(): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  await listen(server);
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? secondInstance() : error);
    });
    server.listen(lockName, () => resolve());
  });
}

function secondInstance(): FairwayError {
  return new FairwayError({
    code: "FW2003",
    what: "another fairway daemon is running on this host",
    why: "two daemons in one network namespace would undo each other's work",
    fix: "use the one that runs (`fairway status`), or stop it first (`systemctl stop fairway`)",
  });
}
