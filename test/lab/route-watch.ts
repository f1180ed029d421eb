import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { signal } from "./processes.ts";
import type { Space, SpaceProcess } from "./space.ts";
import { waitFor } from "./wait.ts";

const LISTENING_DEADLINE_MS = 5000;
const SEEN_DEADLINE_MS = 30_000;

export type RouteAction = "added" | "deleted";

export interface RouteEvent {
  /** The clock, milliseconds since 1970 with fractions. All spaces have the same clock. */
  readonly atMs: number;
  /** "added" also when one was replaced. */
  readonly action: RouteAction;
  /** As ip(8) prints it: host routes without a length. */
  readonly destination: string;
  readonly protocol?: string;
  readonly text: string;
}

let watches = 0;

/** What the kernel of a space tells about its routes. IPv4 routes that go with their interface are not announced. */
export class RouteWatch implements AsyncDisposable {
  readonly #file: string;
  readonly #process: SpaceProcess;

  constructor(file: string, process: SpaceProcess) {
    this.#file = file;
    this.#process = process;
  }

  events(): RouteEvent[] {
    return readFileSync(this.#file, "utf8")
      .split("\n")
      .flatMap((line) => parseEvent(line) ?? []);
  }

  /** The first such event at or after `sinceMs`, seen already or yet to come. Default: since the watch began. */
  async see(destination: string, action: RouteAction, sinceMs = 0, deadlineMs = SEEN_DEADLINE_MS): Promise<RouteEvent> {
    const wanted = destination.replace(/\/(32|128)$/, "");
    const isWanted = (event: RouteEvent) =>
      event.destination === wanted && event.action === action && event.atMs >= sinceMs;
    return await waitFor(() => this.events().find(isWanted), deadlineMs, `route ${destination} to be ${action}`);
  }

  async stop(): Promise<void> {
    signal(this.#process.id, "SIGTERM");
    await this.#process.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Returns when nothing is missed any more. */
export async function watchRoutes(space: Space): Promise<RouteWatch> {
  watches += 1;
  const log = `routes-${watches}.log`;
  const program = await space.spawn(["ip", "-ts", "monitor", "route"], log, { TZ: "UTC0" });
  await waitFor(() => hasSocket(program.id.pid), LISTENING_DEADLINE_MS, "ip monitor to listen");
  return new RouteWatch(path.join(space.directory, log), program);
}

/** From a change in one kernel to the same change in another, in milliseconds. */
export async function routeDelay(
  from: RouteWatch,
  to: RouteWatch,
  destination: string,
  action: RouteAction,
  sinceMs = 0,
): Promise<number> {
  const cause = await from.see(destination, action, sinceMs);
  const effect = await to.see(destination, action, sinceMs);
  return effect.atMs - cause.atMs;
}

function parseEvent(line: string): RouteEvent | undefined {
  const pattern = /^\[([\d-]+T[\d:]+)\.(\d{6})\] (Deleted )?(?:(?:local|unicast|unreachable|blackhole) )?(\S+) (.*)$/;
  const [, second, microseconds, deleted, destination, rest] = pattern.exec(line) ?? [];
  if (destination === undefined) {
    return undefined;
  }
  const protocol = /\bproto (\S+)/.exec(rest ?? "")?.[1];
  return {
    atMs: Date.parse(`${second}Z`) + Number(microseconds) / 1000,
    action: deleted === undefined ? "added" : "deleted",
    destination,
    ...(protocol === undefined ? {} : { protocol }),
    text: line,
  };
}

function hasSocket(pid: number): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:"));
}
