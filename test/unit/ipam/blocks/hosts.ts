/** Hosts that share a pretended store, each with a disk, clocks and a daemon that can be killed. */
import { createHash } from "node:crypto";
import { AddressBook } from "../../../../src/ipam/address-book.ts";
import { ClusterBlocks } from "../../../../src/ipam/blocks/cluster-blocks.ts";
import type { Clocks } from "../../../../src/ipam/blocks/silence.ts";
import { type Prefix, parsePrefix } from "../../../../src/model/ip.ts";
import { Registry } from "../../../../src/store/registry.ts";
import type { FakeCluster, FakeClusterClient } from "../../../fakes/fake-cluster.ts";
import { createFakeLog } from "../../../fakes/fake-log.ts";
import { FakeProcess, throughProcess } from "../../../fakes/fake-process.ts";
import { FakeStore } from "../../../fakes/fake-store.ts";
import { ip, networkOf } from "../../../fakes/requests.ts";

export const ownershipMs = 24 * 3_600_000;

/** What a host's clocks show; time passes for all hosts alike. */
export class HostClocks implements Clocks {
  wall = 1_800_000_000_000;
  uptime = 1000;
  bootId = "boot-1";

  wallMs(): number {
    return this.wall;
  }

  uptimeMs(): number {
    return this.uptime;
  }

  pass(ms: number): void {
    this.wall += ms;
    this.uptime += ms;
  }

  reboot(wall = this.wall): void {
    this.wall = wall;
    this.uptime = 0;
    this.bootId = `${this.bootId}+`;
  }
}

export class Host {
  readonly name: string;
  readonly disk = new FakeStore();
  readonly clocks = new HostClocks();
  readonly client: FakeClusterClient;
  readonly log = createFakeLog();
  readonly lost: Prefix[] = [];
  process = new FakeProcess();
  blocks: ClusterBlocks;
  book: AddressBook;
  #flatSpace: Prefix;

  constructor(cluster: FakeCluster, name: string, flatSpace = parsePrefix("10.244.0.0/16")) {
    this.name = name;
    this.client = cluster.client(name);
    this.#flatSpace = flatSpace;
    // Where a host begins to look for blocks follows from its id: the same in every run of a test.
    this.disk.putIdentity({ hostId: idOf(name), epoch: 1, seenWallMs: 0 });
    [this.blocks, this.book] = this.#open();
  }

  /** The daemon starts again with what is on the disk. */
  restart(): void {
    this.process.kill();
    this.process = new FakeProcess();
    [this.blocks, this.book] = this.#open();
  }

  /** The same, with another configuration. */
  restartWith(flatSpace: Prefix): void {
    this.#flatSpace = flatSpace;
    this.restart();
  }

  async pool(subnet = "10.244.0.0/16", options: Readonly<Record<string, string>> = {}): Promise<string> {
    const request = {
      subnet: parsePrefix(subnet),
      ipv6: subnet.includes(":"),
      options: new Map(Object.entries(options)),
    };
    const { poolId } = await this.book.requestPool(request);
    return poolId;
  }

  /** A network of this subnet exists from now on, so that an address with a number is a container's. */
  network(subnet = "10.244.0.0/16"): void {
    const registry = new Registry(this.disk);
    registry.putNetwork(networkOf({ ipv4: [{ subnet: parsePrefix(subnet) }], ipv6: [] }));
    [this.blocks, this.book] = this.#open();
  }

  async address(poolId: string, wanted: { readonly ip?: string; readonly name?: string } = {}): Promise<string> {
    const answer = await this.book.requestAddress({
      poolId,
      isGateway: false,
      ...(wanted.ip === undefined ? {} : { address: ip(wanted.ip) }),
      ...(wanted.name === undefined ? {} : { name: wanted.name }),
    });
    return answer.slice(0, answer.indexOf("/"));
  }

  async release(poolId: string, address: string): Promise<void> {
    await this.book.releaseAddress(poolId, ip(address));
  }

  #open(): [ClusterBlocks, AddressBook] {
    const store = this.disk.openPools(this.process);
    const blocks = new ClusterBlocks({
      cluster: throughProcess(this.process, "cluster", this.client, []),
      store,
      clocks: this.clocks,
      log: this.log.logger,
      hostName: this.name,
      ownershipMs,
    });
    blocks.onLost(({ block }) => this.lost.push(block));
    const book = new AddressBook({
      store,
      registry: new Registry(this.disk),
      log: this.log.logger,
      nowMs: () => this.clocks.wall,
      cluster: { blocks, flatSpace: [this.#flatSpace] },
    });
    return [blocks, book];
  }
}

function idOf(name: string): string {
  const hash = createHash("sha256").update(name).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

/** All hosts and the store. */
export function pass(cluster: FakeCluster, hosts: readonly Host[], ms: number): void {
  cluster.nowMs += ms;
  for (const { clocks } of hosts) {
    clocks.pass(ms);
  }
}
