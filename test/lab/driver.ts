import path from "node:path";
import type { DaemonSpec } from "./daemon.ts";
import { accepts } from "./sockets.ts";
import type { Space } from "./space.ts";

const CHECKOUT = path.join(import.meta.dirname, "../..");
export const PLUGIN_SOCKET = "/run/docker/plugins/fairway.sock";
const READY_DEADLINE_MS = 20_000;

export interface DriverOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the host's disk, kept over reboots. */
  readonly stateDir?: string;
  /** Instead of the checkout's `bin/fairway daemon`, as test doubles and benchmarks want it. */
  readonly argv?: readonly string[];
  /** Where it listens; default: the plugin name "fairway". */
  readonly socket?: string;
}

/**
 * The driver runs in all namespaces of the host, with this machine's root: node and the checkout are there, /run is
 * the one that the engine sees, and interfaces, rules and processes are the host's. Only its state needs a place of its
 * own, since /var/lib is this machine's.
 */
export function driverSpec(space: Space, defaultStateDir: string, options: DriverOptions): DaemonSpec {
  const { stateDir = defaultStateDir, args = [], socket = PLUGIN_SOCKET } = options;
  const program = options.argv ?? [path.join(CHECKOUT, "bin/fairway"), "daemon", "--state-dir", stateDir];
  return {
    name: "driver",
    argv: [...program, ...args],
    env: { PATH: `${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, ...options.env },
    isReady: () => accepts(space.pathFromOutside(socket)),
    readyDeadlineMs: READY_DEADLINE_MS,
  };
}
