import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { EngineVersion } from "../lab/engines.ts";
import { compareForeign, type ForeignSnapshot, snapshotForeign, withoutLines } from "../lab/foreign.ts";
import { type LabHost, startHost } from "../lab/host.ts";
import { type LanClient, openLan } from "../lab/lan.ts";
import { assertNoLeaks } from "../lab/oracle.ts";
import { listRecords, removeSpace, self, spaceDirectory } from "../lab/record.ts";
import type { Progress } from "./progress.ts";
import { machineOf } from "./spawned.ts";
import type { Stage } from "./stage.ts";

const FAIRWAY = path.join(import.meta.dirname, "../../bin/fairway");
const CGROUPS = "/sys/fs/cgroup";
/**
 * Forwarding is switched on with the first network and stays on, because others may rely on it by then; with it goes
 * that the host still listens to routers.
 */
const FORWARDING = /^\/proc\/sys\/net\/ipv[46]\/(ip_forward|conf\/[^/]+\/(forwarding|accept_ra))[:=]/;

/** A pretended machine with an engine of its own and a second one, in namespaces: this machine is left alone. */
export async function openPrivateStage(engine: EngineVersion, progress: Progress): Promise<Stage> {
  const lan = await progress.step("a network segment with a second host", async () => {
    const opened = await openLan();
    return { client: await opened.client("other"), opened };
  });
  const host = await progress.step(`a private host with Docker engine ${engine}, its image built here`, () =>
    startHost({ engine, lan: lan.opened, label: "demo" }),
  );
  return new PrivateStage(host, lan.client, await snapshotForeign(host));
}

/** Whatever this process has made so far, complete or not. */
export async function removeOwnSpaces(): Promise<string[]> {
  const { pid, startTicks } = self();
  const own = listRecords().filter(({ owner }) => owner?.pid === pid && owner.startTicks === startTicks);
  await Promise.all(own.map((record) => removeSpace(record.name)));
  return own.map((record) => record.name);
}

class PrivateStage implements Stage {
  readonly host: Stage["host"];
  readonly neighbour: Stage["neighbour"];
  readonly directory: string;
  readonly #host: LabHost;
  readonly #foreign: ForeignSnapshot;
  #spaces: readonly string[] = [];
  /** Kept over the end of the host, for somebody who wants to know what went wrong. */
  #log: string | undefined;

  constructor(host: LabHost, client: LanClient, foreign: ForeignSnapshot) {
    if (host.uplink === undefined) {
      throw new Error(`${host.name} has no uplink`);
    }
    this.#host = host;
    this.#foreign = withoutLines(foreign, FORWARDING);
    this.host = machineOf(host.space, host.uplink);
    this.neighbour = machineOf(client.space, client);
    this.directory = host.space.directory;
  }

  tryDocker(args: readonly string[]): ReturnType<Stage["tryDocker"]> {
    return this.#host.tryDocker(args);
  }

  startDriver(): Promise<void> {
    return this.#host.startDriver({ args: ["--log-format", "pretty"] });
  }

  killDriver(): Promise<void> {
    return this.#host.killDriver("SIGKILL");
  }

  fairway(args: readonly string[]): Promise<string> {
    return this.#host.exec([FAIRWAY, ...args]);
  }

  driverLog(): string {
    return this.#log ?? this.#host.driverLog();
  }

  /** Waits for deletions that are done in the background. */
  async differences(): Promise<string[]> {
    try {
      await assertNoLeaks(this.#host);
      return [];
    } catch (error) {
      const lines = (error instanceof Error ? error.message : String(error)).split("\n").map((line) => line.trim());
      return lines.length > 1 ? lines.slice(1) : lines;
    }
  }

  async foreignChanges(): Promise<string[]> {
    return compareForeign(this.#foreign, withoutLines(await snapshotForeign(this.#host), FORWARDING));
  }

  async close(): Promise<void> {
    this.#log ??= this.#host.driverLog();
    this.#spaces = [...this.#spaces, ...(await removeOwnSpaces())];
  }

  async traces(): Promise<string[]> {
    return tracesOf(this.#spaces);
  }
}

/** Directories, mounts and cgroups that bear the name of a space. */
function tracesOf(spaces: readonly string[]): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const hierarchies = ["", ...(existsSync(CGROUPS) ? readdirSync(CGROUPS) : [])];
  return spaces.flatMap((name) => [
    ...mounts.filter((line) => line.includes(name)).map((line) => `mount ${line}`),
    ...[spaceDirectory(name), ...hierarchies.map((hierarchy) => path.join(CGROUPS, hierarchy, name))].filter((file) =>
      existsSync(file),
    ),
  ]);
}
