/** What happens to writes when members of a cluster die. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createClusterStore } from "../../../src/cluster/create.ts";
import type { ClusterStore } from "../../../src/cluster/port.ts";
import { FairwayError } from "../../../src/errors.ts";
import { type EtcdCluster, startEtcd, threeOnLoopback } from "../../lab/etcd.ts";

describe("three members", () => {
  let cluster: EtcdCluster;
  let store: ClusterStore;

  before(async () => {
    cluster = await startEtcd({ places: threeOnLoopback });
    store = createClusterStore(cluster.settings);
  });
  after(async () => {
    await store[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  test("the leader's death in the middle of writes is nobody's error, and every write happened once", async (t) => {
    const leader = await cluster.leader();
    const writers = 8;
    const written: string[] = [];
    let longestMs = 0;
    const state = { end: false };
    const write = async (writer: number): Promise<void> => {
      for (let count = 0; !state.end; count += 1) {
        const key = `/fairway/writes/${writer}/${String(count).padStart(5, "0")}`;
        const startMs = performance.now();
        const entry = await store.put(key, `by ${writer}`, "absent");
        assert.equal(entry?.value, `by ${writer}`, `${key} is a key that nobody else writes`);
        longestMs = Math.max(longestMs, performance.now() - startMs);
        written.push(key);
      }
    };
    const work = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    const reached = async (count: number) => {
      while (written.length < count) {
        await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 10))]);
      }
    };
    await reached(200);
    await leader.kill();
    const before = written.length;
    await reached(before + 200);
    state.end = true;
    await work;
    const found = (await store.list("/fairway/writes/")).map(({ key }) => key);
    assert.deepEqual(found, written.toSorted());
    t.diagnostic(`${written.length} writes, longest ${longestMs.toFixed(0)} ms`);
    leader.start();
    assert.notEqual((await cluster.leader()).url, leader.url);
  });

  test("without a quorum: FW4001 for reads and writes, and all goes on when it is back", async (t) => {
    const [first, second] = cluster.members;
    await Promise.all([first?.kill(), second?.kill()]);
    const startMs = performance.now();
    const results = await Promise.allSettled([
      store.put("/fairway/a", "1", "absent"),
      store.get("/fairway/a"),
      store.list("/fairway/"),
      store.grantLease(60),
    ]);
    t.diagnostic(`given up after ${(performance.now() - startMs).toFixed(0)} ms`);
    for (const result of results) {
      assert.ok(result.status === "rejected" && result.reason instanceof FairwayError, JSON.stringify(result));
      assert.equal(result.reason.code, "FW4001");
      assert.match(result.reason.message, /127\.0\.0\.[123]:\d+: /);
    }
    const [write, read] = results.map((result) => (result.status === "rejected" ? result.reason.why : ""));
    assert.match(write, /may or may not have been made/);
    assert.doesNotMatch(read, /may or may not/);
    first?.start();
    second?.start();
    const found = await store.get("/fairway/a");
    const again = found ?? (await store.put("/fairway/a", "1", "absent"));
    assert.equal(again?.value, "1");
  });
});
