/** A hundred hosts that ask a real store for blocks and addresses at the same time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClusterStore } from "../../src/cluster/create.ts";
import type { ClusterStore } from "../../src/cluster/port.ts";
import { AddressBook } from "../../src/ipam/address-book.ts";
import { ClusterBlocks } from "../../src/ipam/blocks/cluster-blocks.ts";
import { parsePrefix } from "../../src/model/ip.ts";
import { Registry } from "../../src/store/registry.ts";
import { createFakeLog } from "../fakes/fake-log.ts";
import { FakeStore } from "../fakes/fake-store.ts";
import { startEtcd, threeOnLoopback } from "../lab/etcd.ts";

const hosts = 100;
const addressesEach = 50;
const subnet = parsePrefix("10.244.0.0/16");

/** Counts the creations of blocks that came second. */
function counting(store: ClusterStore, count: { claims: number; conflicts: number }): ClusterStore {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    delete: (key, expected) => store.delete(key, expected),
    grantLease: (ttlSeconds) => store.grantLease(ttlSeconds),
    renewLease: (lease) => store.renewLease(lease),
    put: async (key, value, expected, options) => {
      const written = await store.put(key, value, expected, options);
      if (key.includes("/blocks/")) {
        count.claims += 1;
        count.conflicts += written === undefined ? 1 : 0;
      }
      return written;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function openHost(cluster: ClusterStore, name: string): AddressBook {
  const store = new FakeStore();
  const { logger: log } = createFakeLog();
  const started = performance.now();
  const clocks = { wallMs: Date.now, uptimeMs: () => performance.now() - started, bootId: "boot" };
  const blocks = new ClusterBlocks({ cluster, store, clocks, log, hostName: name, ownershipMs: 3_600_000 });
  const parts = { store, registry: new Registry(store), log, nowMs: Date.now };
  return new AddressBook({ ...parts, cluster: { blocks, flatSpace: [subnet] } });
}

test("a hundred hosts start fifty containers each: every address once, few conflicts", async (t) => {
  await using etcd = await startEtcd({ places: threeOnLoopback });
  const count = { claims: 0, conflicts: 0 };
  await using stack = new AsyncDisposableStack();
  const books = Array.from({ length: hosts }, (_, at) => {
    const store = stack.use(counting(createClusterStore(etcd.settings), count));
    return openHost(store, `host${at}`);
  });
  const startMs = performance.now();
  const all = await Promise.all(
    books.map(async (book) => {
      const { poolId } = await book.requestPool({ subnet, ipv6: false, options: new Map() });
      const taken: string[] = [];
      for (let at = 0; at < addressesEach; at += 1) {
        taken.push(await book.requestAddress({ poolId, isGateway: false }));
      }
      return taken;
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const addresses = all.flat();
  t.diagnostic(
    `${(addresses.length / seconds).toFixed(0)} addresses/s, ${count.conflicts} of ${count.claims} claims in vain`,
  );
  assert.equal(new Set(addresses).size, hosts * addressesEach);
  assert.ok(count.conflicts < 0.05 * addresses.length);
});
