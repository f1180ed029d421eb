import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import type { Uplink } from "./cable.ts";
import { engineRoot } from "./cache.ts";
import { Daemon } from "./daemon.ts";
import { type DriverOptions, driverSpec, PLUGIN_SOCKET } from "./driver.ts";
import { chooseIptables, type Disks, disksOf, type IptablesBackend, mountEngineRoot } from "./engine-root.ts";
import type { EngineVersion } from "./engines.ts";
import { RunError, type RunOptions, type RunResult } from "./exec.ts";
import { nodeImageFile, testImageFile } from "./image.ts";
import { setSysctls } from "./lan.ts";
import { type Attachment, readRecord, sweep, updateRecord } from "./record.ts";
import { get } from "./sockets.ts";
import { createSpace, type Place, Space, type SpaceProcess } from "./space.ts";

const ENGINE_SOCKET = "/run/docker.sock";
/** An engine that restarts containers whose plugin is missing waits 15 s for it before it serves its API. */
const ENGINE_READY_DEADLINE_MS = 90_000;

export interface HostOptions {
  readonly engine: EngineVersion;
  /** Part of the name, for people. */
  readonly label?: string;
  /** Exact name; made from the label otherwise. */
  readonly name?: string;
  /** Outlives this process, until `stop`. */
  readonly keep?: boolean;
  /** Uplink, plugged in before the engine starts. */
  readonly lan?: Uplink;
  /** More arguments for dockerd, such as "--live-restore". */
  readonly engineArgs?: readonly string[];
  readonly storageDriver?: "overlay2" | "vfs";
  /** Which iptables engine and driver find; default: what the distribution ships. */
  readonly iptables?: IptablesBackend;
  /** net.bridge.bridge-nf-call-iptables and -ip6tables of the host; default: the kernel's. */
  readonly bridgeNfCall?: 0 | 1;
  /** Default: the small one. "node" is 150 MB. */
  readonly images?: readonly ("test" | "node")[];
  /** Starts the driver, before the engine, as a service manager would. Default: none. */
  readonly driver?: DriverOptions;
}

export interface RebootOptions {
  /** Default true. False: the caller decides what starts first. */
  readonly startEngine?: boolean;
}

/** A pretended machine with a real engine of its own. Everything about it is gone after stop(), or with its owner. */
export class LabHost implements Place {
  readonly space: Space;
  readonly engine: EngineVersion;
  readonly #options: HostOptions;
  readonly #tree: string;
  readonly #engine: Daemon;
  readonly #driver: Daemon;
  #root = "";

  constructor(space: Space, tree: string, options: HostOptions) {
    this.space = space;
    this.engine = options.engine;
    this.#options = options;
    this.#tree = tree;
    this.#root = path.join(space.directory, "root");
    this.#engine = new Daemon(space, "engine", readRecord(space.name)?.engine?.process);
    this.#driver = new Daemon(space, "driver");
  }

  get name(): string {
    return this.space.name;
  }

  get disks(): Disks {
    return disksOf(this.space);
  }

  /** Uplink addresses; undefined without a LAN. */
  get uplink(): Attachment | undefined {
    return readRecord(this.name)?.attachments?.[0];
  }

  /** The engine's API, for clients outside. Changes with a reboot. */
  get apiSocket(): string {
    return this.space.pathFromOutside(ENGINE_SOCKET);
  }

  /** The driver's, if it listens where a plugin named fairway does. */
  get driverSocket(): string {
    return this.space.pathFromOutside(PLUGIN_SOCKET);
  }

  get pidOfEngine(): number {
    return this.#engine.id.pid;
  }

  get driverPid(): number {
    return this.#driver.id.pid;
  }

  get isDriverRunning(): boolean {
    return this.#driver.isRunning;
  }

  /** Runs the engine's command line in the host and returns its stdout without the last newline. */
  async docker(...args: readonly string[]): Promise<string> {
    const result = await this.tryDocker(args);
    if (result.code !== 0) {
      throw new RunError({ ...result, argv: ["docker", ...args] });
    }
    return result.stdout.trimEnd();
  }

  tryDocker(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.space.tryExec(this.dockerCommand(args), options);
  }

  /** To be run in the host's space. */
  dockerCommand(args: readonly string[]): string[] {
    return this.#inRoot(["docker", "-H", `unix://${ENGINE_SOCKET}`, ...args]);
  }

  /** Expects a refusal and returns its stderr. */
  async dockerFails(...args: readonly string[]): Promise<string> {
    const result = await this.tryDocker(args);
    assert.notEqual(result.code, 0, `docker ${args.join(" ")} was expected to fail, but printed: ${result.stdout}`);
    return result.stderr.trimEnd();
  }

  /** With this machine's file system: its tools, the checkout. */
  exec(argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.space.exec(argv, options);
  }

  tryExec(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return this.space.tryExec(argv, options);
  }

  /** With the file system of the engine's distribution: its iptables, its nft. */
  execInRoot(argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.space.exec(this.#inRoot(argv), options);
  }

  tryExecInRoot(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return this.space.tryExec(this.#inRoot(argv), options);
  }

  spawn(argv: readonly string[], log = "spawned.log"): Promise<SpaceProcess> {
    return this.space.spawn(argv, log);
  }

  /** A running container as a place to act from: our tools, its network. */
  async container(nameOrId: string): Promise<Place> {
    const pid = await this.docker("inspect", "--format", "{{.State.Pid}}", nameOrId);
    const enter = (argv: readonly string[]) => ["nsenter", "-t", pid, "-n", "--", ...argv];
    return {
      name: nameOrId,
      exec: (argv, options) => this.exec(enter(argv), options),
      tryExec: (argv, options) => this.tryExec(enter(argv), options),
    };
  }

  async startEngine(): Promise<void> {
    // A killed engine leaves it, and its number may be another process's by now: the engine would refuse to start.
    rmSync(this.space.pathFromOutside("/run/docker.pid"), { force: true });
    await this.#engine.start({
      name: "engine",
      argv: this.#inRoot(["dockerd", ...this.#engineArguments()]),
      isReady: async () => (await get(this.apiSocket, "/_ping")).status === 200,
      readyDeadlineMs: ENGINE_READY_DEADLINE_MS,
    });
    updateRecord(this.name, { engine: { version: this.engine, process: this.#engine.id } });
  }

  /** Waits for the end of the engine, not of its containers. */
  async killEngine(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#engine.kill(signal);
  }

  engineLog(): string {
    return this.#engine.log();
  }

  async loadImages(...images: readonly ("test" | "node")[]): Promise<void> {
    for (const image of images) {
      const stdinFile = await (image === "node" ? nodeImageFile() : testImageFile());
      const result = await this.tryDocker(["load"], { stdinFile });
      if (result.code !== 0) {
        throw new RunError(result);
      }
    }
  }

  /** Runs the checkout's driver in the host and returns when its plugin socket accepts. */
  async startDriver(options: DriverOptions = {}): Promise<void> {
    await this.#driver.start(driverSpec(this.space, this.disks.driver, options));
  }

  async killDriver(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#driver.kill(signal);
  }

  /** Everything that all drivers of this host have printed so far. */
  driverLog(): string {
    return this.#driver.log();
  }

  /** Pulls the plug and starts again: new namespaces, empty /run, same disks, same addresses. The driver stays down. */
  async reboot(options: RebootOptions = {}): Promise<void> {
    await this.space.powerOff();
    await this.boot();
    if (options.startEngine ?? true) {
      await this.startEngine();
    }
  }

  /** Everything below the engine. For startHost and reboot. */
  async boot(): Promise<void> {
    const { iptables, bridgeNfCall, lan } = this.#options;
    await this.space.boot();
    this.#root = await mountEngineRoot(this.space, this.#tree);
    if (iptables !== undefined) {
      await chooseIptables(this.space, this.#root, iptables);
    }
    if (bridgeNfCall !== undefined) {
      const value = String(bridgeNfCall);
      await setSysctls(this.space, {
        "net.bridge.bridge-nf-call-iptables": value,
        "net.bridge.bridge-nf-call-ip6tables": value,
      });
    }
    if (lan !== undefined) {
      await lan.attach(this.space);
    }
  }

  async stop(): Promise<void> {
    await this.space.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The distribution's programs, not what somebody put into /usr/local, and nobody's personal settings. */
  #inRoot(argv: readonly string[]): string[] {
    const settings = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_CONFIG=/run/docker-cli", "HOME=/root"];
    return ["chroot", this.#root, "env", ...settings, ...argv];
  }

  #engineArguments(): string[] {
    return [
      ...["--host", `unix://${ENGINE_SOCKET}`],
      ...["--storage-driver", this.#options.storageDriver ?? "overlay2"],
      // Own parent cgroup: cgroups are the machine's, and whatever is below this name is this host's.
      ...["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${this.name}`],
      ...(this.#options.engineArgs ?? []),
    ];
  }
}

/** Starts a host with its engine and the test images. Leftovers of dead runs are swept first. */
export async function startHost(options: HostOptions): Promise<LabHost> {
  await sweep();
  const tree = await engineRoot(options.engine);
  const { engine, label = `e${engine.replace(".", "")}`, ...rest } = options;
  const space = await createSpace({
    kind: "host",
    label,
    about: `engine ${engine}`,
    boot: false,
    ...(rest.name === undefined ? {} : { name: rest.name }),
    ...(rest.keep === undefined ? {} : { keep: rest.keep }),
  });
  const host = new LabHost(space, tree, options);
  try {
    await host.boot();
    if (options.driver !== undefined) {
      await host.startDriver(options.driver);
    }
    await host.startEngine();
    await checkVersion(host);
    await host.loadImages(...(options.images ?? ["test"]));
    space.release();
    return host;
  } catch (error) {
    await host.stop();
    throw error;
  }
}

/** A host that another process started and kept. */
export async function findHost(name: string): Promise<LabHost | undefined> {
  const record = readRecord(name);
  if (record?.kind !== "host" || record.engine === undefined) {
    return undefined;
  }
  const space = new Space(name, true, record.init);
  return new LabHost(space, await engineRoot(record.engine.version), { engine: record.engine.version, keep: true });
}

/** Distributions move on; a test that names a version must not quietly run another. */
async function checkVersion(host: LabHost): Promise<void> {
  const found = await host.docker("version", "--format", "{{.Server.Version}}");
  if (!found.startsWith(`${host.engine}.`)) {
    throw new Error(`the lab's tree for engine ${host.engine} holds engine ${found}`);
  }
}
