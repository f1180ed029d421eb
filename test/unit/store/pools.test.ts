/** What the address book and mode host have on the disk. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { HostIdentity, OwnedBlock } from "../../../src/model/block.ts";
import { parseIfName } from "../../../src/model/ids.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import type { AddressPool, Lease } from "../../../src/model/pool.ts";
import { SqliteStore, stateFileName } from "../../../src/store/sqlite-store.ts";
import { endpointOf, hostNetworkOf, ip, networkOf } from "../../fakes/requests.ts";

const subnetPool: AddressPool = { kind: "subnet", id: "s", subnet: parsePrefix("10.88.0.0/24") };
const rangePool: AddressPool = { ...subnetPool, id: "r", range: parsePrefix("10.88.0.128/25") };
const sharedPool: AddressPool = { kind: "shared", id: "h", family: "ipv6", gateway: ip("fe80::fa17:0:1") };
const held: Lease = { poolId: "s", address: ip("10.88.0.1"), use: "reserved" };
const rests: Lease = {
  poolId: "s",
  address: ip("10.88.0.2"),
  use: "container",
  holder: "web",
  releasedAtMs: 1_700_000,
};

describe("the SQLite store", () => {
  let directory: string;
  let stores: SqliteStore[];

  function open(): SqliteStore {
    const store = new SqliteStore(directory);
    stores.push(store);
    return store;
  }

  function edit(sql: string): void {
    const database = new DatabaseSync(join(directory, stateFileName));
    database.exec(sql);
    database.close();
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "fairway-pools-"));
    stores = [];
  });
  afterEach(() => {
    for (const store of stores) {
      store.close();
    }
    rmSync(directory, { recursive: true });
  });

  test("gives pools and leases back in another run", () => {
    const store = open();
    for (const pool of [subnetPool, rangePool, sharedPool]) {
      store.putPool(pool);
    }
    store.putLease(held);
    store.putLease(rests);
    const { pools, leases } = open().loadPools();
    const byId = (a: AddressPool, b: AddressPool) => a.id.localeCompare(b.id);
    assert.deepEqual(pools.toSorted(byId), [sharedPool, rangePool, subnetPool]);
    assert.deepEqual(leases, [held, rests]);
  });

  test("keeps a pool's leases when the pool is written again, and replaces a lease", () => {
    const store = open();
    store.putPool(subnetPool);
    store.putLease(rests);
    store.putPool(subnetPool);
    const { releasedAtMs: _, ...again } = rests;
    store.putLease(again);
    assert.deepEqual(store.loadPools(), { pools: [subnetPool], leases: [again] });
  });

  test("deletes one lease, and with a pool all of its leases", () => {
    const store = open();
    store.putPool(subnetPool);
    store.putPool(rangePool);
    store.putLease(held);
    store.putLease(rests);
    store.putLease({ ...held, poolId: "r" });
    store.deleteLease("s", held.address);
    store.deleteLease("s", ip("10.88.0.99"));
    assert.deepEqual(
      store
        .loadPools()
        .leases.map(({ poolId, address }) => `${poolId} ${address}`)
        .sort(),
      ["r 10.88.0.1", "s 10.88.0.2"],
    );
    store.deletePool("s");
    store.deletePool("unknown");
    assert.deepEqual(store.loadPools(), { pools: [rangePool], leases: [{ ...held, poolId: "r" }] });
  });

  test("refuses a lease without its pool", () => {
    assert.throws(() => open().putLease(held), /FOREIGN KEY/);
  });

  for (const [name, sql] of [
    ["a pool of an unknown kind", `UPDATE pools SET record = replace(record, '"subnet","id"', '"odd","id"')`],
    ["a pool with a subnet that is none", "UPDATE pools SET record = replace(record, '10.88.0.0', '10.88.0.300')"],
    ["a lease of an unknown use", "UPDATE leases SET record = replace(record, 'reserved', 'borrowed')"],
  ] as const) {
    test(`${name} is refused at load, not believed`, () => {
      const store = open();
      store.putPool(subnetPool);
      store.putLease(held);
      edit(sql);
      assert.throws(() => store.loadPools(), {
        code: "FW2004",
        message: /^record .+ in table (pools|leases) of state\.sqlite cannot be read$/,
      });
    });
  }

  test("takes the file of a version that had no pools, with its networks", () => {
    open().putNetwork(networkOf());
    edit("DROP TABLE leases; DROP TABLE pools; PRAGMA user_version = 1");
    const store = open();
    store.putPool(subnetPool);
    store.putLease(held);
    assert.deepEqual(store.load().networks, [networkOf()]);
    assert.deepEqual(store.loadPools(), { pools: [subnetPool], leases: [held] });
  });

  test("keeps blocks, the host's identity and how a subnet is divided, and replaces them", () => {
    const store = open();
    assert.deepEqual([store.loadBlocks(), store.loadIdentity()], [[], undefined]);
    const subnet = parsePrefix("10.244.0.0/16");
    const bare: OwnedBlock = { subnet, block: parsePrefix("10.244.1.0/26"), epoch: 1, state: "owned" };
    const whole: OwnedBlock = {
      ...bare,
      block: parsePrefix("10.244.2.0/26"),
      offered: parsePrefix("10.244.2.48/28"),
      lent: [ip("10.244.2.50")],
    };
    const identity: HostIdentity = { hostId: "0b51b5d7-6a9a-4d6b-8a34-4b3c9a1e1c11", epoch: 1, seenWallMs: 7 };
    store.putBlock({ ...bare, state: "returning" });
    for (const block of [bare, whole]) {
      store.putBlock(block);
    }
    store.putIdentity(identity);
    const later: HostIdentity = { ...identity, epoch: 2, contact: { wallMs: 5, uptimeMs: 6.5, bootId: "b" } };
    store.putIdentity(later);
    const pools: AddressPool[] = [
      { kind: "subnet", id: "c", subnet, division: { kind: "cluster", blockLength: 26, borrow: true } },
      { kind: "subnet", id: "f", subnet, division: { kind: "fixed", block: bare.block } },
    ];
    for (const pool of pools) {
      store.putPool(pool);
    }
    const borrowed: Lease = {
      poolId: "c",
      address: ip("10.244.9.9"),
      use: "container",
      borrowedFrom: parsePrefix("10.244.9.0/26"),
    };
    store.putLease(borrowed);
    const again = open();
    assert.deepEqual(again.loadBlocks(), [bare, whole]);
    assert.deepEqual(again.loadIdentity(), later);
    assert.deepEqual(again.loadPools(), { pools, leases: [borrowed] });
    again.deleteBlock(bare.block);
    again.deleteBlock(bare.block);
    assert.deepEqual(again.loadBlocks(), [whole]);
  });

  test("takes the file of a version that had no blocks, with its pools", () => {
    const store = open();
    store.putPool(subnetPool);
    store.putLease(held);
    edit("DROP TABLE blocks; DROP TABLE identity; PRAGMA user_version = 2");
    assert.deepEqual(open().loadPools(), { pools: [subnetPool], leases: [held] });
    assert.deepEqual(open().loadBlocks(), []);
  });

  test("gives a network and an endpoint of mode host back, whole and bare", () => {
    const whole = hostNetworkOf({ parent: parseIfName("eth1", "parent"), hostAddresses: [ip("192.0.2.10")] });
    const { sharedIpv4: _4, sharedIpv6: _6, ...bare } = hostNetworkOf({ claim: "published" }, 2);
    const claim = {
      protocol: "tcp",
      hostAddress: ip("192.0.2.10"),
      hostPortFirst: 80,
      hostPortLast: 80,
      containerAddress: ip("240.0.0.1"),
      containerPort: 80,
    } as const;
    const ipv4 = parseInterfaceAddress("192.0.2.10/32");
    const endpoint = endpointOf({ ipv4, state: "joined", claims: [claim], standIn: 1 });
    const store = open();
    for (const network of [whole, bare, networkOf({}, 3)]) {
      store.putNetwork(network);
    }
    store.putEndpoint(endpoint);
    assert.deepEqual(open().load(), { networks: [whole, bare, networkOf({}, 3)], endpoints: [endpoint], settings: [] });
  });
});
