import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { run, start, tryRun } from "../lab/exec.ts";
import { TEST_IMAGE, testImageFile } from "../lab/image.ts";
import { accepts, get } from "../lab/sockets.ts";
import { createSpace, type Space } from "../lab/space.ts";
import { waitFor } from "../lab/wait.ts";
import { MachineDriver, PLUGIN_SOCKET } from "./machine-driver.ts";
import { driverLinks, engineRules, hasDriverTable, linkNames, rememberForwarding } from "./machine-state.ts";
import type { Progress } from "./progress.ts";
import { docker, removeAll } from "./scene.ts";
import { machineOf, runningUntil } from "./spawned.ts";
import type { Machine, Stage } from "./stage.ts";

const ENGINE_SOCKET = "/var/run/docker.sock";
const CABLE = "fwdemo0";
const HERE = { ipv4: "10.222.250.1", ipv6: "fd00:222:0:fa::1" };
const THERE = { ipv4: "10.222.250.2", ipv6: "fd00:222:0:fa::2" };
const GONE_DEADLINE_MS = 15_000;

/**
 * This machine, its engine and its plugin socket; the other host is a namespace at the end of a cable. `adopt` gets the
 * stage as soon as there is something to close.
 */
export async function openMachineStage(progress: Progress, adopt: (stage: Stage) => void): Promise<Stage> {
  await progress.step("this machine's engine", refuseUnlessFree);
  const stage = new MachineStage();
  adopt(stage);
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
  readonly directory = mkdtempSync("/var/tmp/fairway-demo-");
  readonly host: Machine;
  readonly #driver = new MachineDriver(this.directory);
  readonly #restoreForwarding = rememberForwarding();
  #neighbour: Machine | undefined;
  #space: Space | undefined;
  #addedImage = false;
  #log: string | undefined;
  #rulesBefore: readonly string[] = [];

  constructor() {
    let spawned = 0;
    this.host = {
      name: "this machine",
      ...HERE,
      exec: run,
      tryExec: tryRun,
      spawn: async (argv) => {
        spawned += 1;
        const log = path.join(this.directory, `spawned-${spawned}.log`);
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
    this.#rulesBefore = await engineRules();
    this.#space = await createSpace({ kind: "client", label: "other", about: "of the demo" });
    this.#neighbour = machineOf(this.#space, THERE);
    await plugIn(this.#space);
    this.#addedImage = (await this.tryDocker(["image", "inspect", TEST_IMAGE])).code !== 0;
    const loaded = await tryRun(dockerCommand(["load"]), { stdinFile: await testImageFile() });
    if (loaded.code !== 0) {
      throw new Error(`docker load: ${loaded.stderr}`);
    }
  }

  tryDocker(args: readonly string[]): ReturnType<Stage["tryDocker"]> {
    return tryRun(dockerCommand(args));
  }

  startDriver(): Promise<void> {
    return this.#driver.start();
  }

  killDriver(): Promise<void> {
    return this.#driver.end("SIGKILL");
  }

  fairway(args: readonly string[]): Promise<string> {
    return this.#driver.fairway(args);
  }

  driverLog(): string {
    return this.#log ?? this.#driver.log();
  }

  /** Waits for deletions that are done in the background. */
  async differences(): Promise<string[]> {
    let found: string[] = [];
    const none = async () => {
      found = await this.#differencesNow();
      return found.length === 0;
    };
    try {
      await waitFor(none, GONE_DEADLINE_MS, "deletions");
      return [];
    } catch (error) {
      return found.length === 0 ? [String(error)] : found;
    }
  }

  async foreignChanges(): Promise<string[]> {
    const [before, after] = [this.#rulesBefore, await engineRules()];
    return [
      ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
      ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ];
  }

  async close(): Promise<void> {
    this.#log ??= this.#driver.log();
    if (this.#driver.wasStarted && this.#space !== undefined) {
      // An engine waits a quarter of a minute, at every step, for a driver that does not answer.
      await this.#driver.start();
      await removeAll(this);
      await this.#driver.end("SIGTERM");
    }
    if (this.#addedImage) {
      await this.tryDocker(["image", "rm", TEST_IMAGE]);
    }
    await this.#space?.remove();
    this.#space = undefined;
    // The cable goes with the namespace at its other end, as soon as the kernel gets round to it.
    await waitFor(async () => !(await linkNames()).includes(CABLE), GONE_DEADLINE_MS, `${CABLE} to vanish`);
    this.#restoreForwarding();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async traces(): Promise<string[]> {
    return (await linkNames()).filter((name) => name === CABLE);
  }

  /** With its networks gone, the driver keeps nothing at all; as long as they are there, they must be its records. */
  async #differencesNow(): Promise<string[]> {
    const listing = await docker(this, "network", "ls", "--no-trunc", "-q", "--filter", "driver=fairway");
    const expected = listing.split("\n").filter((id) => id !== "");
    const status = JSON.parse(await this.fairway(["status", "--json"])) as { networks: readonly { id: string }[] };
    const known = status.networks.map((network) => network.id);
    const leftovers = expected.length > 0 ? [] : [...(await driverLinks()).map((link) => `interface ${link}`)];
    return [
      ...known.filter((id) => !expected.includes(id)).map((id) => `network ${id} is unknown to the engine`),
      ...expected.filter((id) => !known.includes(id)).map((id) => `network ${id} is unknown to the driver`),
      ...leftovers,
      ...(expected.length === 0 && (await hasDriverTable()) ? ["nft table inet fairway"] : []),
    ];
  }
}

function dockerCommand(args: readonly string[]): string[] {
  return ["docker", "-H", `unix://${ENGINE_SOCKET}`, ...args];
}

async function plugIn(space: Space): Promise<void> {
  const here = [`link add ${CABLE} type veth peer name eth0 netns ${space.pid}`, ...addressLines(HERE, CABLE)];
  await run(["ip", "-batch", "-"], { stdin: here.join("\n") });
  await space.exec(["ip", "-batch", "-"], { stdin: addressLines(THERE, "eth0").join("\n") });
}

function addressLines({ ipv4, ipv6 }: typeof HERE, link: string): string[] {
  return [`addr add ${ipv4}/24 dev ${link}`, `addr add ${ipv6}/64 dev ${link} nodad`, `link set ${link} up`];
}
