import { readFileSync } from "node:fs";
import path from "node:path";
import type { Space, SpaceProcess } from "./space.ts";
import { waitFor } from "./wait.ts";

const SERVER = path.join(import.meta.dirname, "image-files/server.mjs");
const READY_DEADLINE_MS = 20_000;

export interface ServerOptions {
  /** Name of the log in the space's directory; one for each server. Default server.log. */
  readonly log?: string;
  /** Words before the program's own, such as nsenter's, to start it somewhere in the space. */
  readonly enter?: readonly string[];
}

/** HTTP on "tcp:80", UDP echo on "udp:53"; every answer tells who asked. Returns when all ports listen. */
export async function startServer(
  space: Space,
  ports: readonly string[],
  { log = "server.log", enter = [] }: ServerOptions = {},
): Promise<SpaceProcess> {
  const argv = [...enter, process.execPath, SERVER, ...ports];
  const program = await space.spawn(argv, log);
  const isReady = () => /^ready$/m.test(readFileSync(path.join(space.directory, log), "utf8"));
  await waitFor(isReady, READY_DEADLINE_MS, `${argv.join(" ")} to be ready`);
  return program;
}
