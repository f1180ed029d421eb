/**
 * Hosts that hand out addresses while daemons are killed at any write, answers are lost or come late, hosts are cut off,
 * clocks jump, and dead hosts' blocks are released: no address is ever two containers' at the same time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockDocument } from "../../../../src/cluster/documents.ts";
import { blockOfKey } from "../../../../src/cluster/keys.ts";
import { giveBackDelayMs } from "../../../../src/ipam/blocks/cluster-blocks.ts";
import { type IpAddress, type Prefix, parsePrefix, prefixContains } from "../../../../src/model/ip.ts";
import { FakeCluster, type Mishap } from "../../../fakes/fake-cluster.ts";
import { Host, ownershipMs, pass } from "./hosts.ts";

const hostCount = 5;
const stepCount = 700;

/** mulberry32: a seed gives the same run again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

class World {
  readonly cluster = new FakeCluster();
  readonly hosts: Host[];
  readonly pools = new Map<Host, string>();
  /** Addresses of containers that run, and where. */
  readonly containers = new Map<string, Host>();
  readonly #below: (below: number) => number;
  readonly #subnet: string;
  readonly #options: Readonly<Record<string, string>>;
  answered = 0;
  borrowed = 0;

  constructor(seed: number) {
    this.#below = random(seed);
    // Every second time there are fewer blocks than hosts.
    this.#options = seed % 2 === 0 ? { borrow: "true" } : {};
    this.#subnet = seed % 2 === 0 ? "10.244.0.0/24" : "10.244.0.0/23";
    const space = parsePrefix(this.#subnet);
    this.hosts = Array.from({ length: hostCount }, (_, at) => new Host(this.cluster, `host${at}`, space));
    for (const host of this.hosts) {
      host.network(this.#subnet);
    }
    // Whoever releases a host's blocks answers for its being dead: its containers run no more.
    this.cluster.onChange = (writer, key, before, after) => {
      const block = blockOfKey(key)?.block;
      if (block !== undefined && before !== undefined) {
        this.#noteRelease(writer, block, JSON.parse(before), after === undefined ? undefined : JSON.parse(after));
      }
    };
  }

  #noteRelease(writer: string, block: Prefix, before: BlockDocument, after: BlockDocument | undefined): void {
    if (after === undefined && before.ownerName !== writer) {
      this.#bury(before.ownerName, (address) => prefixContains(block, address));
    }
    for (const [lent, { name }] of Object.entries(before.lent ?? {})) {
      if (name !== writer && after?.lent?.[lent] === undefined) {
        this.#bury(name, (address) => address === lent);
      }
    }
  }

  async open(): Promise<void> {
    for (const host of this.hosts) {
      this.pools.set(host, await host.pool(this.#subnet, this.#options));
    }
  }

  async step(): Promise<void> {
    const host = this.hosts[this.#below(hostCount)];
    assert.ok(host !== undefined);
    await this.#act(host, this.#below(100));
    if (host.process.dead) {
      host.restart();
    }
  }

  async #act(host: Host, dice: number): Promise<void> {
    if (dice < 50) {
      await this.#start(host);
    } else if (dice < 70) {
      await this.#stop(host);
    } else if (dice < 76) {
      const mishaps: Mishap[] = ["answer lost", "request lost", "late"];
      host.client.mishaps.push(mishaps[this.#below(3)] ?? "late");
    } else if (dice < 80) {
      host.client.unreachable = !host.client.unreachable;
    } else if (dice < 84) {
      host.process.crashNth(1 + this.#below(8), this.#below(2) === 0 ? "before" : "after");
    } else if (dice < 90) {
      await Promise.all([this.#alive(host, () => this.#tend(host)), this.#perhaps(host)]);
    } else if (dice < 94) {
      pass(
        this.cluster,
        this.hosts,
        [1000, 90_000, giveBackDelayMs, ownershipMs / 3, ownershipMs][this.#below(5)] ?? 0,
      );
    } else if (dice < 96) {
      this.cluster.deliverLate();
    } else if (dice < 98) {
      await this.#release(host);
    } else {
      this.#reboot(host);
    }
  }

  async #perhaps(host: Host): Promise<void> {
    if (this.#below(2) === 0) {
      await this.#start(host);
    }
  }

  async #start(host: Host): Promise<void> {
    const named = this.#below(6) === 0;
    const wanted = named ? { ip: `10.244.0.${1 + this.#below(254)}` } : { name: `c${this.#below(40)}` };
    const both = [this.#ask(host, wanted), ...(this.#below(3) === 0 ? [this.#ask(host, {})] : [])];
    await Promise.all(both);
  }

  async #ask(host: Host, wanted: { readonly ip?: string; readonly name?: string }): Promise<void> {
    const address = await this.#alive(host, () => host.address(this.pools.get(host) ?? "", wanted));
    if (address !== undefined) {
      assert.equal(this.containers.get(address)?.name, undefined, `${address} is given to ${host.name} as well`);
      this.containers.set(address, host);
      this.answered += 1;
      this.borrowed += (host.book.blocksOf(parsePrefix(this.#subnet)) ?? []).some((block) =>
        prefixContains(block, address as IpAddress),
      )
        ? 0
        : 1;
    }
  }

  async #stop(host: Host): Promise<void> {
    const own = [...this.containers].filter(([, where]) => where === host).map(([address]) => address);
    const address = own[this.#below(Math.max(1, own.length))];
    const poolId = this.pools.get(host);
    if (address !== undefined && poolId !== undefined) {
      // The engine has stopped the container, whatever becomes of its message.
      this.containers.delete(address);
      await this.#alive(host, () => host.release(poolId, address));
    }
  }

  async #tend(host: Host): Promise<void> {
    await host.blocks.compare();
    await host.book.returnLoans();
    await host.blocks.giveBackIdle();
  }

  /** Its containers have lost their network with the host, or the operator says so. */
  async #release(host: Host): Promise<void> {
    const other = this.hosts[this.#below(hostCount)];
    if (other !== undefined && other !== host) {
      const release = this.#alive(host, () => host.blocks.releaseHost(other.blocks.membership.hostId, false));
      await Promise.all([release, this.#perhaps(other)]);
    }
  }

  /** A clock without a battery begins anew; the containers of the host are gone. */
  #reboot(host: Host): void {
    this.#bury(host.name, () => true);
    const poolId = this.pools.get(host);
    for (const lease of host.disk.loadPools().leases) {
      if (poolId !== undefined && lease.releasedAtMs === undefined) {
        host.disk.putLease({ ...lease, releasedAtMs: host.clocks.wall });
      }
    }
    host.clocks.reboot(this.#below(2) === 0 ? host.clocks.wall : 1_000_000);
    host.restart();
  }

  #bury(name: string, which: (address: IpAddress) => boolean): void {
    for (const [address, where] of this.containers) {
      if (where.name === name && which(address as IpAddress)) {
        this.containers.delete(address);
      }
    }
  }

  /** Undefined: it was refused, or the daemon died. Only refusals are expected. */
  async #alive<T>(host: Host, work: () => Promise<T>): Promise<T | undefined> {
    if (host.process.dead) {
      return undefined;
    }
    const dead = new Promise<undefined>((resolve) => host.process.onDeath(() => resolve(undefined)));
    const { process } = host;
    const done = work().catch((error: { code?: string; name?: string }) => {
      if (process.dead || /^FW(4|3011)/.test(error.code ?? "")) {
        return undefined;
      }
      throw error;
    });
    return await Promise.race([done, dead]);
  }
}

test("never two containers with one address", async (t) => {
  let [answered, borrowed] = [0, 0];
  for (let seed = 1; answered < 10_000; seed += 1) {
    const world = new World(seed);
    await world.open();
    try {
      for (let step = 0; step < stepCount; step += 1) {
        await world.step();
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    answered += world.answered;
    borrowed += world.borrowed;
  }
  t.diagnostic(`${answered} addresses handed out, ${borrowed} of them borrowed`);
  assert.ok(borrowed > 50, "some were borrowed");
});
