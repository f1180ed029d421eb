import path from "node:path";
import { Daemon } from "./daemon.ts";
import type { Fabric } from "./fabric.ts";
import type { LanClient } from "./lan.ts";
import { waitFor } from "./wait.ts";

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const READY_DEADLINE_MS = 30_000;
const MEMBERS = ["etcd1", "etcd2", "etcd3"];

/** Three etcd members on three machines behind the router. They end with the fabric. */
export class EtcdMembers {
  readonly members: readonly EtcdMember[];

  constructor(members: readonly EtcdMember[]) {
    this.members = members;
  }

  /** As hosts reach them: http://ADDRESS:2379, one for each member. */
  get endpoints(): string[] {
    return this.members.map(({ machine }) => clientUrl(machine.ipv4));
  }

  get endpoints6(): string[] {
    return this.members.map(({ machine }) => clientUrl(machine.ipv6));
  }

  /** @param index from 0 */
  member(index: number): EtcdMember {
    const member = this.members[index];
    if (member === undefined) {
      throw new Error(`there is no etcd member ${index}`);
    }
    return member;
  }

  /** Index of the member that leads now. @throws when none does in 30 s. */
  async leader(): Promise<number> {
    return await waitFor(
      async () => {
        const leads = await Promise.all(this.members.map((member) => member.isLeader()));
        const index = leads.indexOf(true);
        return index === -1 ? undefined : index;
      },
      READY_DEADLINE_MS,
      "an etcd leader",
    );
  }

  async killAll(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill(signal)));
  }

  /** Returns when all are healthy again. */
  async startAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
  }
}

export class EtcdMember {
  readonly name: string;
  readonly machine: LanClient;
  readonly #daemon: Daemon;
  readonly #cluster: string;

  constructor(name: string, machine: LanClient, cluster: string) {
    this.name = name;
    this.machine = machine;
    this.#daemon = new Daemon(machine.space, name);
    this.#cluster = cluster;
  }

  get isRunning(): boolean {
    return this.#daemon.isRunning;
  }

  get pid(): number {
    return this.#daemon.id.pid;
  }

  /** With the data that it had. @param isAlone true: there is no quorum to wait for; returns at once. */
  async start({ isAlone = false }: { readonly isAlone?: boolean } = {}): Promise<void> {
    await this.#daemon.start({
      name: this.name,
      argv: this.#command(),
      isReady: async () => isAlone || (await this.isHealthy()),
      readyDeadlineMs: READY_DEADLINE_MS,
    });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#daemon.kill(signal);
  }

  log(): string {
    return this.#daemon.log();
  }

  /** It runs, and it sees a leader. */
  async isHealthy(): Promise<boolean> {
    return /"health":"true"/.test(await this.#get("/health"));
  }

  async isLeader(): Promise<boolean> {
    return /^etcd_server_is_leader 1$/m.test(await this.#get("/metrics"));
  }

  async #get(url: string): Promise<string> {
    const argv = ["curl", "-s", "--noproxy", "*", "--max-time", "2", `${clientUrl("127.0.0.1")}${url}`];
    return (await this.machine.tryExec(argv)).stdout;
  }

  #command(): string[] {
    const { ipv4, ipv6 } = this.machine;
    const peerUrl = `http://${ipv4}:${PEER_PORT}`;
    return [
      ...["etcd", "--name", this.name, "--data-dir", path.join(this.machine.space.directory, "etcd")],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--listen-client-urls", [ipv4, ipv6, "127.0.0.1"].map(clientUrl).join(",")],
      ...["--advertise-client-urls", [ipv4, ipv6].map(clientUrl).join(",")],
      ...["--initial-cluster", this.#cluster, "--initial-cluster-state", "new"],
      ...["--logger", "zap", "--log-outputs", "stderr"],
    ];
  }
}

/** Returns when every member is healthy. */
export async function startEtcd(fabric: Fabric): Promise<EtcdMembers> {
  const machines = await Promise.all(MEMBERS.map((name) => fabric.guest(name)));
  const cluster = machines.map(({ ipv4 }, index) => `${MEMBERS[index]}=http://${ipv4}:${PEER_PORT}`).join(",");
  const etcd = new EtcdMembers(
    machines.map((machine, index) => new EtcdMember(MEMBERS[index] ?? "", machine, cluster)),
  );
  await etcd.startAll();
  return etcd;
}

function clientUrl(address: string): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${CLIENT_PORT}`;
}
