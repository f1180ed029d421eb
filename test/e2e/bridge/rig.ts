/** What every test of mode bridge stands on: a host with its engine and the driver, and a client on the same LAN. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { compareForeign, type ForeignSnapshot, snapshotForeign, withoutLines } from "../../lab/foreign.ts";
import { type HostOptions, type LabHost, startHost } from "../../lab/host.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { type Lan, type LanClient, openLan } from "../../lab/lan.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { whoEventually } from "../../lab/probe.ts";
import { signal } from "../../lab/processes.ts";
import { startServer } from "../../lab/server.ts";
import type { Place, Space, SpaceProcess } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";

const FOREIGN_DEADLINE_MS = 5000;

/**
 * Forwarding is switched on by the first network that needs it, and stays: others may rely on it by then. The engine's
 * own bridge gets another hardware address when the host boots.
 */
const MAY_CHANGE = /^\/proc\/sys\/net\/ipv6\/conf\/[^/]+\/(forwarding|accept_ra):|^docker0 bridge /;

/** A running container: a place to act from, with what the engine says about it. */
export interface Box extends Place {
  /** As `hostname` prints it and the servers answer it. */
  readonly host: string;
  readonly pid: number;
  readonly networks: Readonly<Record<string, BoxAddresses>>;
  /** Addresses on its first network; empty when it has none of the family. */
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

export interface BoxAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
  readonly gateway: string;
}

export interface RunOptions {
  /** More arguments of `docker run`, such as "-p", "80:80". */
  readonly args?: readonly string[];
  /** Default: HTTP on port 80. */
  readonly command?: readonly string[];
  /** Port that must answer inside before `run` returns; default 80. undefined: none. */
  readonly ready?: number | undefined;
}

export class BridgeRig {
  #lan: Lan | undefined;
  #client: LanClient | undefined;
  #host: LabHost | undefined;
  #foreign: ForeignSnapshot | undefined;
  #servers = 0;
  readonly #programs: SpaceProcess[] = [];

  get lan(): Lan {
    assert.ok(this.#lan);
    return this.#lan;
  }

  get client(): LanClient {
    assert.ok(this.#client);
    return this.#client;
  }

  get host(): LabHost {
    assert.ok(this.#host);
    return this.#host;
  }

  /** Addresses of the host on the LAN. */
  get ipv4(): string {
    return this.host.uplink?.ipv4 ?? "";
  }

  get ipv6(): string {
    return this.host.uplink?.ipv6 ?? "";
  }

  async open(options: Partial<HostOptions>): Promise<void> {
    this.#lan = await openLan();
    const [client, host] = await Promise.all([
      this.#lan.client("client"),
      startHost({ engine: engineUnderTest(), lan: this.#lan, images: ["test"], driver: {}, ...options }),
    ]);
    this.#client = client;
    this.#host = host;
    this.#foreign = await this.#snapshot();
  }

  /** Everything of the tests goes; then nothing of the driver may be left and nobody else's state may have changed. */
  async close(): Promise<void> {
    try {
      if (this.#host !== undefined && this.#foreign !== undefined) {
        await this.clean();
        await this.#assertForeignUntouched(this.#foreign);
      }
    } finally {
      await this.#host?.stop();
      await this.#client?.stop();
      await this.#lan?.stop();
    }
  }

  /** Removes what a test made, and looks for leaks. */
  async clean(): Promise<void> {
    for (const program of this.#programs.splice(0)) {
      signal(program.id, "SIGKILL");
      await program.ended;
    }
    const containers = await this.#names(["ps", "-a", "--format", "{{.Names}}"]);
    if (containers.length > 0) {
      await this.host.docker("rm", "-f", "-v", ...containers);
    }
    const networks = await this.#names(["network", "ls", "--filter", "driver=fairway", "--format", "{{.Name}}"]);
    if (networks.length > 0) {
      await this.host.docker("network", "rm", ...networks);
    }
    await assertNoLeaks(this.host);
  }

  async network(name: string, ...args: readonly string[]): Promise<void> {
    await this.host.docker("network", "create", "-d", "fairway", ...args, name);
  }

  /**
   * docker-compose of this machine with the host's engine. Its default API version is older than some engines take.
   * @param text of the compose file
   */
  async compose(project: string, text: string, ...args: readonly string[]): Promise<string> {
    const { space } = this.host;
    const file = path.join(space.directory, `${project}.yaml`);
    writeFileSync(file, text);
    return await this.host.exec(["docker-compose", "--no-ansi", "-p", project, "-f", file, ...args], {
      env: { DOCKER_HOST: "unix:///run/docker.sock", COMPOSE_API_VERSION: "1.41", HOME: space.directory },
      timeoutMs: 120_000,
    });
  }

  /** Starts a container and waits until its server answers inside. */
  async run(name: string, network: string, options: RunOptions = {}): Promise<Box> {
    const { args = [], command = [] } = options;
    await this.host.docker("run", "-d", "--name", name, "--network", network, ...args, TEST_IMAGE, ...command);
    const box = await this.box(name);
    const ready = "ready" in options ? options.ready : 80;
    if (ready !== undefined) {
      await whoEventually(box, box.ipv4 === "" && box.ipv6 !== "" ? "::1" : "127.0.0.1", ready);
    }
    return box;
  }

  async box(name: string): Promise<Box> {
    const [found] = JSON.parse(await this.host.docker("inspect", name)) as Inspected[];
    assert.ok(found, name);
    const networks = Object.fromEntries(
      Object.entries(found.NetworkSettings.Networks).map(([network, endpoint]) => [network, addressesOf(endpoint)]),
    );
    const first = Object.values(networks)[0] ?? { ipv4: "", ipv6: "", mac: "" };
    const enter = (argv: readonly string[]) => ["nsenter", "-t", String(found.State.Pid), "-n", "--", ...argv];
    return {
      name,
      host: found.Id.slice(0, 12),
      pid: found.State.Pid,
      networks,
      ipv4: first.ipv4,
      ipv6: first.ipv6,
      mac: first.mac,
      exec: (argv, options) => this.host.exec(enter(argv), options),
      tryExec: (argv, options) => this.host.tryExec(enter(argv), options),
    };
  }

  /**
   * HTTP on "tcp:80", UDP echo on "udp:53", in the container's network and host name. It is a process of the container
   * and ends with it.
   */
  async serve(box: Box, ...ports: readonly string[]): Promise<void> {
    const enter = ["nsenter", "-t", String(box.pid), "-n", "-u", "-p", "--"];
    await this.#startServer(this.host.space, ports, enter);
  }

  /** The same on a machine of the LAN, until the test ends. */
  async serveOn(client: LanClient, ...ports: readonly string[]): Promise<void> {
    this.#programs.push(await this.#startServer(client.space, ports));
  }

  /** The same on the host itself, until the test ends. Returns its number as the host counts processes. */
  async serveOnHost(...ports: readonly string[]): Promise<number> {
    const program = await this.#startServer(this.host.space, ports);
    this.#programs.push(program);
    return innerPid(program.id.pid);
  }

  /** Any program on the host, until the test ends. Returns its output so far. */
  async spawnOnHost(argv: readonly string[]): Promise<() => string> {
    this.#servers += 1;
    const log = `program-${this.#servers}.log`;
    this.#programs.push(await this.host.spawn(argv, log));
    return () => readFileSync(path.join(this.host.space.directory, log), "utf8");
  }

  async #startServer(space: Space, ports: readonly string[], enter: readonly string[] = []): Promise<SpaceProcess> {
    this.#servers += 1;
    return await startServer(space, ports, { enter, log: `server-${this.#servers}.log` });
  }

  async #names(args: readonly string[]): Promise<string[]> {
    const names = (await this.host.docker(...args)).split("\n");
    return names.filter((name) => name !== "");
  }

  async #snapshot(): Promise<ForeignSnapshot> {
    return withoutLines(await snapshotForeign(this.host), MAY_CHANGE);
  }

  async #assertForeignUntouched(before: ForeignSnapshot): Promise<void> {
    // Interfaces of the last containers are deleted in the background.
    let changes: string[] = [];
    const isUntouched = async () => {
      changes = compareForeign(before, await this.#snapshot());
      return changes.length === 0;
    };
    await waitFor(isUntouched, FOREIGN_DEADLINE_MS, "the host to be as it was").catch(() => undefined);
    assert.deepEqual(changes, []);
  }
}

/** To be called in a describe: hooks for all of its tests, and the leak oracle after each. */
export function bridgeRig(options: Partial<HostOptions> = {}): BridgeRig {
  const rig = new BridgeRig();
  before(() => rig.open(options));
  afterEach(() => rig.clean());
  after(() => rig.close());
  return rig;
}

/** The last number of NSpid in proc(5) /proc/PID/status. */
function innerPid(pid: number): number {
  const line = /^NSpid:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
  return Number(line.trim().split(/\s+/).at(-1));
}

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Pid: number };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, InspectedEndpoint>> };
}

interface InspectedEndpoint {
  readonly IPAddress: string;
  readonly GlobalIPv6Address: string;
  readonly MacAddress: string;
  readonly Gateway: string;
}

function addressesOf(endpoint: InspectedEndpoint): BoxAddresses {
  return {
    ipv4: endpoint.IPAddress,
    ipv6: endpoint.GlobalIPv6Address,
    mac: endpoint.MacAddress,
    gateway: endpoint.Gateway,
  };
}
