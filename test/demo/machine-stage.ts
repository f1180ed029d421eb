import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { run, start, tryRun } from "../lab/exec.ts";
import { TEST_IMAGE, testImageFile } from "../lab/image.ts";
import { identify, isAlive, type ProcessId, signal, waitUntilGone } from "../lab/processes.ts";
import { accepts, get } from "../lab/sockets.ts";
import { createSpace, type Space } from "../lab/space.ts";
import { waitFor } from "../lab/wait.ts";
import { driverLinks, engineRules, hasDriverTable, linkNames } from "./machine-state.ts";
import type { Progress } from "./progress.ts";
import { docker, removeAll } from "./scene.ts";
import { machineOf, runningUntil } from "./spawned.ts";
import type { Machine, Stage } from "./stage.ts";

const FAIRWAY = path.join(import.meta.dirname, "../../bin/fairway");
const ENGINE_SOCKET = "/var/run/docker.sock";
const PLUGIN_SOCKET = "/run/docker/plugins/fairway.sock";
const CABLE = "fwdemo0";
const PREFIX = { ipv4: "10.222.250.", ipv6: "fd00:222:0:fa::" };
const HERE = { ipv4: `${PREFIX.ipv4}1`, ipv6: `${PREFIX.ipv6}1` };
const THERE = { ipv4: `${PREFIX.ipv4}2`, ipv6: `${PREFIX.ipv6}2` };
const DRIVER_DEADLINE_MS = 20_000;
const GONE_DEADLINE_MS = 15_000;

/** This machine, its engine and its plugin socket; the other host is a namespace at the end of a cable. */
export async function openMachineStage(progress: Progress): Promise<Stage> {
  await progress.step("this machine's engine", refuseUnlessFree);
  const stage = new MachineStage();
  await progress.step("a second host at the end of a cable; an image, built here", () => stage.prepare());
  return stage;
}

/** A second driver would fight with the first one over the socket, and the demo kills the one that it uses. */
async function refuseUnlessFree(): Promise<void> {
  if ((await get(ENGINE_SOCKET, "/_ping")).status !== 200) {
    throw new Error(`no engine answers at ${ENGINE_SOCKET}; leave out --on-this-host to use one of the demo's own`);
  }
  if (await accepts(PLUGIN_SOCKET)) {
    throw new Error(
      `a driver serves ${PLUGIN_SOCKET} already, and this demo kills its driver\n` +
        "  fix: stop it (systemctl stop fairway.socket fairway.service), or leave out --on-this-host",
    );
  }
}

class MachineStage implements Stage {
  readonly host: Machine;
  readonly directory: string;
  #neighbour: Machine | undefined;
  #space: Space | undefined;
  #driver: ProcessId | undefined;
  #logs = 0;
  #hadImage = true;
  #log: string | undefined;
  #before: readonly string[] = [];

  constructor() {
    this.directory = mkdtempSync("/var/tmp/fairway-demo-");
    this.host = {
      name: "this machine",
      ...HERE,
      exec: run,
      tryExec: tryRun,
      spawn: async (argv) => {
        this.#logs += 1;
        const log = path.join(this.directory, `spawned-${this.#logs}.log`);
        const child = start(argv, log);
        return runningUntil(new Promise((resolve) => child.once("exit", resolve)), log);
      },
    };
  }

  get neighbour(): Machine {
    if (this.#neighbour === undefined) {
      throw new Error("the second host is not there yet");
    }
    return this.#neighbour;
  }

  async prepare(): Promise<void> {
    await removeAll(this);
    this.#before = await engineRules();
    this.#space = await createSpace({ kind: "client", label: "other", about: "of the demo" });
    this.#neighbour = machineOf(this.#space, THERE);
    await this.#plugIn(this.#space);
    this.#hadImage = (await this.tryDocker(["image", "inspect", TEST_IMAGE])).code === 0;
    const loaded = await tryRun(["docker", "load"], { stdinFile: await testImageFile() });
    if (loaded.code !== 0) {
      throw new Error(`docker load: ${loaded.stderr}`);
    }
  }

  tryDocker(args: readonly string[]): ReturnType<Stage["tryDocker"]> {
    return tryRun(["docker", "-H", `unix://${ENGINE_SOCKET}`, ...args]);
  }

  async startDriver(): Promise<void> {
    const directories = [
      "--state-dir",
      path.join(this.directory, "state"),
      "--run-dir",
      path.join(this.directory, "run"),
    ];
    const child = start(
      [FAIRWAY, "daemon", "--log-format", "pretty", ...directories],
      path.join(this.directory, "driver.log"),
    );
    this.#driver = child.pid === undefined ? undefined : identify(child.pid);
    await waitFor(() => accepts(PLUGIN_SOCKET), DRIVER_DEADLINE_MS, "the driver to listen");
  }

  async killDriver(): Promise<void> {
    await this.#endDriver("SIGKILL");
  }

  fairway(args: readonly string[]): Promise<string> {
    return run([FAIRWAY, ...args, "--run-dir", path.join(this.directory, "run")]);
  }

  driverLog(): string {
    try {
      return this.#log ?? readFileSync(path.join(this.directory, "driver.log"), "utf8");
    } catch {
      return "";
    }
  }

  /** With its networks gone, the driver keeps nothing at all; as long as they are there, they must be its records. */
  async differences(): Promise<string[]> {
    const listing = await docker(this, "network", "ls", "--no-trunc", "-q", "--filter", "driver=fairway");
    const expected = listing.split("\n").filter((id) => id !== "");
    let found: string[] = [];
    try {
      await waitFor(
        async () => {
          found = await this.#differencesTo(expected);
          return found.length === 0;
        },
        GONE_DEADLINE_MS,
        "deletions",
      );
    } catch {
      return found;
    }
    return [];
  }

  async foreignChanges(): Promise<string[]> {
    const after = await engineRules();
    return [
      ...this.#before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
      ...after.filter((line) => !this.#before.includes(line)).map((line) => `+ ${line}`),
    ];
  }

  async close(): Promise<void> {
    this.#log ??= this.driverLog();
    if (this.#space === undefined) {
      rmSync(this.directory, { recursive: true, force: true });
      return;
    }
    await removeAll(this);
    if (!this.#hadImage) {
      await this.tryDocker(["image", "rm", TEST_IMAGE]);
    }
    await this.#endDriver("SIGTERM");
    await this.#space.remove();
    this.#space = undefined;
    // The cable goes with the namespace at its other end, as soon as the kernel gets round to it.
    await waitFor(async () => !(await linkNames()).includes(CABLE), GONE_DEADLINE_MS, `${CABLE} to vanish`);
    rmSync(this.directory, { recursive: true, force: true });
  }

  async traces(): Promise<string[]> {
    return (await linkNames()).includes(CABLE) ? [CABLE] : [];
  }

  async #plugIn(space: Space): Promise<void> {
    const stdin = [
      `link add ${CABLE} type veth peer name eth0 netns ${space.pid}`,
      `addr add ${HERE.ipv4}/24 dev ${CABLE}`,
      `addr add ${HERE.ipv6}/64 dev ${CABLE} nodad`,
      `link set ${CABLE} up`,
    ].join("\n");
    await run(["ip", "-batch", "-"], { stdin });
    const there = [
      `addr add ${THERE.ipv4}/24 dev eth0`,
      `addr add ${THERE.ipv6}/64 dev eth0 nodad`,
      "link set eth0 up",
    ].join("\n");
    await space.exec(["ip", "-batch", "-"], { stdin: there });
  }

  async #endDriver(name: NodeJS.Signals): Promise<void> {
    if (this.#driver !== undefined && isAlive(this.#driver)) {
      signal(this.#driver, name);
      await waitUntilGone(this.#driver, GONE_DEADLINE_MS);
    }
  }

  async #differencesTo(expected: readonly string[]): Promise<string[]> {
    const status = JSON.parse(await this.fairway(["status", "--json"])) as { networks: readonly { id: string }[] };
    const known = status.networks.map((network) => network.id);
    const nothing = expected.length === 0;
    return [
      ...known.filter((id) => !expected.includes(id)).map((id) => `network ${id} is unknown to the engine`),
      ...expected.filter((id) => !known.includes(id)).map((id) => `network ${id} is unknown to the driver`),
      ...(nothing ? (await driverLinks()).map((link) => `interface ${link}`) : []),
      ...(nothing && (await hasDriverTable()) ? ["nft table inet fairway"] : []),
    ];
  }
}
