/** Hosts on a real store and real disks that are killed again and again while they hand out addresses. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClusterStore } from "../../src/cluster/create.ts";
import { readBlock } from "../../src/cluster/documents.ts";
import { blockOfKey, blocksPrefix } from "../../src/cluster/keys.ts";
import { type IpAddress, type Prefix, parsePrefix, prefixContains } from "../../src/model/ip.ts";
import { type EtcdCluster, startEtcd, threeOnLoopback } from "../lab/etcd.ts";
import { environment } from "../lab/exec.ts";

const hostCount = 8;
const addressesEach = 1250;
const subnet = parsePrefix("10.244.0.0/17");
/** A life is counted in addresses, so that a fast machine has as many deaths as a slow one. */
const longestLife = 300;
/** Longer than one address takes: the death meets any moment of the next. */
const longestDelayMs = 5;
const claimant = join(import.meta.dirname, "claimant.ts");

/** A host, and what its engine was told. */
class Victim {
  readonly name: string;
  readonly addresses: string[] = [];
  kills = 0;
  refusals = 0;
  readonly #stateDir: string;
  readonly #endpoints: readonly string[];

  constructor(name: string, stateDir: string, endpoints: readonly string[]) {
    this.name = name;
    this.#stateDir = stateDir;
    this.#endpoints = endpoints;
  }

  async run(): Promise<void> {
    while (this.addresses.length < addressesEach) {
      await this.#live();
    }
  }

  /** Until it has what it wants, or is killed some moments after it has handed out some addresses. */
  async #live(): Promise<void> {
    const left = addressesEach - this.addresses.length;
    const argv = [claimant, this.#stateDir, this.name, subnet, String(left), ...this.#endpoints];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
    const [said, complained] = [collect(child, "stdout"), collect(child, "stderr")];
    const ended = once(child, "close");
    const life = Math.ceil(Math.random() * longestLife);
    const isOver = Promise.withResolvers<void>();
    child.stdout.on("data", () => {
      if (said().split("\n").length > life) {
        isOver.resolve();
      }
    });
    const death = isOver.promise.then(() => sleep(Math.random() * longestDelayMs));
    const outcome = await Promise.race([ended, death.then(() => undefined)]);
    if (outcome === undefined) {
      child.kill("SIGKILL");
    }
    const [code] = await ended;
    assert.ok(outcome === undefined || code === 0, complained());
    this.kills += code === 0 ? 0 : 1;
    for (const line of said().split("\n")) {
      if (line.startsWith("refused")) {
        this.refusals += 1;
      } else if (line !== "") {
        this.addresses.push(line.slice(0, line.indexOf("/")));
      }
    }
  }
}

function collect(child: ChildProcess, stream: "stdout" | "stderr"): () => string {
  let text = "";
  child[stream]?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

async function blocksByOwner(etcd: EtcdCluster): Promise<ReadonlyMap<string, readonly Prefix[]>> {
  await using store = createClusterStore(etcd.settings);
  const entries = await store.list(blocksPrefix(subnet));
  const blocks = entries.map(({ key, value }) => ({
    block: blockOfKey(key)?.block,
    owner: readBlock(value)?.ownerName,
  }));
  const byOwner = Map.groupBy(blocks, ({ owner }) => owner ?? "");
  return new Map([...byOwner].map(([owner, members]) => [owner, members.flatMap(({ block }) => block ?? [])]));
}

test("ten thousand addresses by daemons that are killed at any moment, and a leader that is: each once", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "fairway-kills-"));
  await using etcd = await startEtcd({ places: threeOnLoopback });
  try {
    const victims = Array.from(
      { length: hostCount },
      (_, at) => new Victim(`host${at}`, join(directory, `host${at}`), etcd.settings.endpoints),
    );
    const startMs = performance.now();
    const work = Promise.all(victims.map((victim) => victim.run()));
    const leaderDies = async () => {
      while (victims.every(({ addresses }) => addresses.length < addressesEach / 3)) {
        await sleep(50);
      }
      const leader = await etcd.leader();
      await leader.kill();
      await sleep(1000);
      leader.start();
    };
    await Promise.all([work, leaderDies()]);
    const seconds = (performance.now() - startMs) / 1000;
    const all = victims.flatMap(({ addresses }) => addresses);
    const [kills, refusals] = [
      victims.reduce((sum, victim) => sum + victim.kills, 0),
      victims.reduce((sum, victim) => sum + victim.refusals, 0),
    ];
    t.diagnostic(`${all.length} addresses, ${kills} kills, ${refusals} refusals, ${seconds.toFixed(0)} s`);
    assert.equal(all.length, hostCount * addressesEach);
    assert.equal(new Set(all).size, all.length);
    assert.ok(kills >= hostCount, "they were killed");
    const blocks = await blocksByOwner(etcd);
    for (const { name, addresses } of victims) {
      const own = blocks.get(name) ?? [];
      const strange = addresses.filter((at) => !own.some((block) => prefixContains(block, at as IpAddress)));
      assert.deepEqual(strange, [], `${name} hands out of its own blocks only`);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});
