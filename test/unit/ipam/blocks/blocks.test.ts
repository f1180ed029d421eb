/** Hosts that divide a subnet, step by step. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { AddressBook } from "../../../../src/ipam/address-book.ts";
import { giveBackDelayMs } from "../../../../src/ipam/blocks/cluster-blocks.ts";
import { coolDownMs } from "../../../../src/ipam/subnet-leases.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import { Registry } from "../../../../src/store/registry.ts";
import { FakeCluster } from "../../../fakes/fake-cluster.ts";
import { ip } from "../../../fakes/requests.ts";
import { Host, ownershipMs, pass } from "./hosts.ts";

const subnet = parsePrefix("10.244.0.0/16");
const hourMs = 3_600_000;

async function take(host: Host, poolId: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let at = 0; at < count; at += 1) {
    taken.push(await host.address(poolId));
  }
  return taken;
}

/** Work in the background has time to end. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("a subnet that hosts divide", () => {
  let cluster: FakeCluster;
  let one: Host;
  let two: Host;
  let poolOne: string;
  let poolTwo: string;

  beforeEach(async () => {
    cluster = new FakeCluster();
    one = new Host(cluster, "one");
    two = new Host(cluster, "two");
    poolOne = await one.pool();
    poolTwo = await two.pool();
  });

  const blockOf = (host: Host): string => host.book.blocksOf(subnet)?.[0] ?? assert.fail(`${host.name} has no block`);
  const inBlock = (host: Host, at: number): string => {
    const [a, b, c, d = "0"] = (blockOf(host).split("/")[0] ?? "").split(".");
    return `${a}.${b}.${c}.${Number(d) + at}`;
  };

  test("each host hands out of a block of its own, from its first address to its last", async () => {
    const [ofOne, ofTwo] = [await take(one, poolOne, 40), await take(two, poolTwo, 40)];
    assert.equal(new Set([...ofOne, ...ofTwo]).size, 80);
    assert.equal(ofOne[0], inBlock(one, 0));
    assert.equal(ofOne[39], inBlock(one, 39));
    assert.notEqual(blockOf(one), blockOf(two));
  });

  test("the gateway is the subnet's first usable address, on every host, and nobody's", async () => {
    for (const [host, poolId] of [
      [one, poolOne],
      [two, poolTwo],
    ] as const) {
      assert.equal(await host.book.requestAddress({ poolId, isGateway: true }), "10.244.0.1/16");
      await assert.rejects(host.book.requestAddress({ poolId, isGateway: true }), { code: "FW3011" });
    }
    assert.deepEqual(cluster.list("/fairway/v1/blocks/"), [], "no block was claimed for it");
    one.network();
    await assert.rejects(one.address(poolOne, { ip: "10.244.0.1" }), { code: "FW3011" });
    await one.address(poolOne, { ip: "10.244.0.2" });
    assert.ok(!(await take(one, poolOne, 60)).includes("10.244.0.1"));
  });

  test("addresses that the user keeps free are the same on every host, and nobody's", async () => {
    assert.equal(await one.address(poolOne, { ip: "10.244.7.7" }), "10.244.7.7");
    assert.equal(await two.address(poolTwo, { ip: "10.244.7.7" }), "10.244.7.7");
    assert.deepEqual(cluster.list("/fairway/v1/blocks/"), []);
    two.network();
    await assert.rejects(two.address(poolTwo, { ip: "10.244.7.7" }), { code: "FW3011" });
    assert.equal(await two.address(poolTwo, { ip: "10.244.7.8" }), "10.244.7.8");
    assert.ok(!(await take(two, poolTwo, 62)).includes("10.244.7.7"));
  });

  test("within its blocks a host needs no store, also after a restart", async () => {
    await one.address(poolOne);
    one.client.unreachable = true;
    one.restart();
    assert.equal(await one.address(poolOne), inBlock(one, 1));
    assert.equal(await one.address(poolOne, { name: "web" }), inBlock(one, 2));
    await one.release(poolOne, inBlock(one, 2));
    assert.equal(await one.address(poolOne, { name: "web" }), inBlock(one, 2), "its holder gets it again");
    await assert.rejects(take(one, poolOne, 64), { code: "FW4001" });
  });

  test("a released address rests", async () => {
    await take(one, poolOne, 2);
    await one.release(poolOne, inBlock(one, 0));
    assert.equal(await one.address(poolOne), inBlock(one, 2));
    pass(cluster, [one, two], coolDownMs);
    assert.equal(await one.address(poolOne), inBlock(one, 0));
  });

  test("the next block is claimed ahead, before the first is full", async () => {
    await take(one, poolOne, 47);
    await settle();
    assert.equal(one.book.blocksOf(subnet)?.length, 1);
    await one.address(poolOne);
    await settle();
    assert.equal(one.book.blocksOf(subnet)?.length, 2);
    one.client.unreachable = true;
    assert.equal(new Set(await take(one, poolOne, 80)).size, 80);
  });

  test("listeners have heard of a block, and are waited for, before its first address is answered", async () => {
    const heard: string[] = [];
    const gate = Promise.withResolvers<void>();
    one.book.onBlocksChanged(async (changed) => {
      heard.push(`${changed}: ${one.book.blocksOf(changed)?.join(" ")}`);
      await gate.promise;
    });
    let answered = false;
    const answer = one.address(poolOne).then(() => {
      answered = true;
    });
    await settle();
    assert.equal(answered, false);
    gate.resolve();
    await answer;
    assert.deepEqual(heard, [`${subnet}: ${blockOf(one)}`]);
  });

  test("--ip in an own block, in a free one, in another host's", async () => {
    await one.address(poolOne);
    one.network();
    two.network();
    assert.equal(await one.address(poolOne, { ip: inBlock(one, 9) }), inBlock(one, 9));
    await assert.rejects(one.address(poolOne, { ip: inBlock(one, 9) }), { code: "FW3011" });
    assert.equal(await two.address(poolTwo, { ip: "10.244.200.5" }), "10.244.200.5");
    assert.deepEqual(two.book.blocksOf(subnet), ["10.244.200.0/26"]);
    await assert.rejects(two.address(poolTwo, { ip: inBlock(one, 10) }), {
      code: "FW3011",
      message: `address ${inBlock(one, 10)} belongs to host "one", which has block ${blockOf(one)}`,
    });
    await assert.rejects(one.address(poolOne, { ip: "10.245.0.1" }), { code: "FW3010" });
  });

  test("blocks that are empty for a while go back, but one", async () => {
    const taken = await take(one, poolOne, 100);
    await settle();
    const before = one.book.blocksOf(subnet)?.length ?? 0;
    assert.ok(before >= 2);
    for (const address of taken) {
      await one.release(poolOne, address);
    }
    const heard: unknown[] = [];
    one.book.onBlocksChanged((changed) => void heard.push(changed));
    for (let round = 0; round < 2 * before; round += 1) {
      pass(cluster, [one, two], giveBackDelayMs);
      await one.blocks.giveBackIdle();
    }
    assert.equal(one.book.blocksOf(subnet)?.length, 1);
    assert.equal(cluster.list("/fairway/v1/blocks/").length, 1);
    assert.equal(heard.length, before - 1);
    await one.book.releasePool(poolOne);
    await one.blocks.giveBackIdle();
    pass(cluster, [one, two], giveBackDelayMs);
    await one.blocks.giveBackIdle();
    assert.deepEqual(cluster.list("/fairway/v1/blocks/"), [], "none is kept for a network that is gone");
  });

  test("a lost answer is no block lost and no address twice", async () => {
    await one.blocks.compare();
    one.client.mishaps.push("answer lost");
    const ofOne = await one.address(poolOne);
    const [again, ofTwo] = [await one.address(poolOne), await two.address(poolTwo)];
    assert.equal(new Set([ofOne, again, ofTwo]).size, 3);
    await one.blocks.compare();
    const owners = cluster.list("/fairway/v1/blocks/").map(({ value }) => JSON.parse(value).ownerName);
    assert.deepEqual(owners.filter((owner) => owner === "one").length, one.book.blocksOf(subnet)?.length);
  });

  test("without contact for longer than ownership lasts: FW4003, until it is there again", async () => {
    await one.address(poolOne);
    one.client.unreachable = true;
    pass(cluster, [one, two], ownershipMs);
    await assert.rejects(one.address(poolOne), {
      code: "FW4003",
      message: /^host one hands out no new addresses of 10\.244\.0\.0\/16: no contact .* for 24 h$/,
    });
    one.network();
    await assert.rejects(one.address(poolOne, { ip: inBlock(one, 9) }), { code: "FW4003" });
    one.client.unreachable = false;
    assert.equal(await one.address(poolOne), inBlock(one, 1));
  });

  for (const [name, setClock] of [
    ["was started again with its clock behind", (host: Host) => host.clocks.reboot(host.clocks.wall - hourMs)],
    ["was started again with its clock far ahead", (host: Host) => host.clocks.reboot(host.clocks.wall + 48 * hourMs)],
    [
      "was set back while it ran, for as long as it was silent",
      (host: Host) => {
        host.clocks.pass(25 * hourMs);
        host.clocks.wall -= 25 * hourMs;
      },
    ],
  ] as const) {
    test(`a host whose clock ${name} is not believed without contact`, async () => {
      await one.address(poolOne);
      one.client.unreachable = true;
      setClock(one);
      one.restart();
      await assert.rejects(one.address(poolOne), { code: "FW4003" });
      one.client.unreachable = false;
      assert.equal(await one.address(poolOne), inBlock(one, 1));
    });
  }

  test("a host that was started again within its time goes on without contact", async () => {
    await one.address(poolOne);
    one.client.unreachable = true;
    pass(cluster, [one, two], hourMs);
    one.clocks.reboot();
    one.restart();
    assert.equal(await one.address(poolOne), inBlock(one, 1));
  });

  describe("release of a host's blocks", () => {
    test("is refused while it shows signs of life, and by a name that fits no one", async () => {
      await one.address(poolOne);
      await two.address(poolTwo);
      await assert.rejects(two.blocks.releaseHost("one", false), { code: "FW4004" });
      await assert.rejects(two.blocks.releaseHost("nobody", false), { code: "FW4004" });
    });

    test("gives them to the others, and the host that comes back has lost them and says so", async () => {
      await one.address(poolOne);
      one.client.unreachable = true;
      const block = blockOf(one);
      pass(cluster, [one, two], ownershipMs + 1);
      assert.deepEqual((await two.blocks.releaseHost("one", false)).released, [block]);
      two.network();
      assert.equal(await two.address(poolTwo, { ip: inBlock(one, 0) }), inBlock(one, 0));
      one.client.unreachable = false;
      const next = await one.address(poolOne);
      assert.deepEqual(one.lost, [block]);
      assert.ok(!(one.book.blocksOf(subnet) ?? []).includes(parsePrefix(block)));
      assert.notEqual(next, inBlock(two, 0));
      assert.match(one.log.lines.join("\n"), /error a block of addresses is not this host's any more/);
    });

    test("that nobody else has taken since stay with the host whose containers still use them", async () => {
      const address = await one.address(poolOne);
      one.client.unreachable = true;
      pass(cluster, [one, two], ownershipMs + 1);
      await two.blocks.releaseHost(one.blocks.membership.hostId, false);
      one.client.unreachable = false;
      await one.blocks.compare();
      assert.deepEqual(one.lost, []);
      assert.notEqual(await one.address(poolOne), address);
      assert.equal(one.blocks.membership.epoch, 2);
    });

    test("that is still under way does not take them from a host that is back", async () => {
      const address = await one.address(poolOne);
      one.client.unreachable = true;
      pass(cluster, [one, two], ownershipMs + 1);
      cluster.onChange = (writer, key) => {
        if (writer === "two" && key.includes("/hosts/")) {
          two.client.mishaps.push("late");
        }
      };
      await assert.rejects(two.blocks.releaseHost("one", false), { code: "FW4001" });
      cluster.onChange = () => undefined;
      one.client.unreachable = false;
      await one.blocks.compare();
      cluster.deliverLate();
      await one.blocks.compare();
      assert.deepEqual(one.lost, []);
      two.network();
      await assert.rejects(two.address(poolTwo, { ip: address }), { code: "FW3011", message: /host "one"/ });
    });

    test("with force takes them from one that lives", async () => {
      await one.address(poolOne);
      const { released } = await two.blocks.releaseHost("one", true);
      assert.equal(released.length, 1);
    });

    test("of the own host takes the empty ones only", async () => {
      const address = await one.address(poolOne);
      assert.deepEqual(await one.blocks.releaseOwn(), []);
      await one.release(poolOne, address);
      pass(cluster, [one, two], coolDownMs);
      assert.equal((await one.blocks.releaseOwn()).length, 1);
      assert.deepEqual(one.book.blocksOf(subnet), []);
    });
  });

  test("a copied state directory: the first of the two stops, and says why", async () => {
    await one.address(poolOne);
    const copy = new Host(cluster, "one");
    const identity = one.disk.loadIdentity();
    assert.ok(identity !== undefined);
    copy.disk.putIdentity(identity);
    copy.restart();
    await copy.blocks.compare();
    await assert.rejects(one.blocks.compare(), { code: "FW4003" });
    await assert.rejects(one.address(poolOne), { code: "FW4003", message: /runs with the same identity/ });
  });

  test("a deletion that arrives late does not take a block that was claimed again", async () => {
    const address = await one.address(poolOne);
    const block = blockOf(one);
    await one.release(poolOne, address);
    pass(cluster, [one, two], coolDownMs);
    one.client.mishaps.push("late");
    await assert.rejects(one.blocks.releaseOwn(), { code: "FW4001" });
    one.network();
    assert.equal(await one.address(poolOne, { ip: address }), address);
    cluster.deliverLate();
    assert.deepEqual(one.book.blocksOf(subnet), [block]);
    two.network();
    await assert.rejects(two.address(poolTwo, { ip: address }), { code: "FW3011" });
  });

  test("other pools: overlapping text, other block sizes, ranges", async () => {
    const three = new Host(cluster, "three");
    await assert.rejects(three.pool("10.244.0.0/17"), { code: "FW3010", message: /overlaps with 10\.244\.0\.0\/16/ });
    await assert.rejects(three.pool("10.244.0.0/16", { block_size: "27" }), { code: "FW3010", message: /not \/27/ });
    await assert.rejects(three.pool("10.244.0.0/16", { block_size: "16" }), { code: "FW3010" });
    await three.pool("10.244.0.0/16", { block_size: "26" });
    const range = parsePrefix("10.244.1.0/24");
    const four = new Host(cluster, "four");
    await assert.rejects(four.book.requestPool({ subnet, range, ipv6: false, options: new Map() }), {
      code: "FW1003",
    });
    const local = await three.pool("10.88.0.0/24");
    assert.equal(await three.address(local), "10.88.0.1");
    assert.equal(three.book.blocksOf(parsePrefix("10.88.0.0/24")), undefined);
  });

  test("a small subnet runs out: FW3011, and a block that another host gives back helps", async () => {
    const space = parsePrefix("10.9.0.0/28");
    const [a, b] = [new Host(cluster, "a", space), new Host(cluster, "b", space)];
    const [poolA, poolB] = [await a.pool("10.9.0.0/28"), await b.pool("10.9.0.0/28")];
    const ofA = await take(a, poolA, 10);
    await settle();
    await assert.rejects(take(b, poolB, 5), { code: "FW3011", message: /every block of it belongs to a host/ });
    for (const address of ofA) {
      await a.release(poolA, address);
    }
    pass(cluster, [a, b], coolDownMs);
    await a.blocks.releaseOwn();
    assert.ok((await b.address(poolB)).startsWith("10.9.0."));
  });

  test("IPv6 is divided like IPv4", async () => {
    const space = parsePrefix("fd00:88::/48");
    const [a, b] = [new Host(cluster, "a", space), new Host(cluster, "b", space)];
    const [poolA, poolB] = [await a.pool("fd00:88:0:1::/64"), await b.pool("fd00:88:0:1::/64")];
    assert.equal(await a.book.requestAddress({ poolId: poolA, isGateway: true }), "fd00:88:0:1::1/64");
    const all = [...(await take(a, poolA, 70)), ...(await take(b, poolB, 70))];
    assert.equal(new Set(all).size, 140);
    assert.match(a.book.blocksOf(parsePrefix("fd00:88:0:1::/64"))?.[0] ?? "", /\/122$/);
  });

  test("without the section cluster a divided network hands out nothing, and says what is missing: FW2005", async () => {
    const address = await one.address(poolOne);
    one.network();
    const registry = new Registry(one.disk);
    const book = new AddressBook({ store: one.disk, registry, log: one.log.logger, nowMs: Date.now });
    for (const wanted of [{}, { address: ip("10.244.9.9") }]) {
      await assert.rejects(book.requestAddress({ poolId: poolOne, isGateway: false, ...wanted }), { code: "FW2005" });
    }
    await book.releaseAddress(poolOne, ip(address));
    assert.deepEqual(book.blocksOf(subnet), []);
  });

  test("after a restart of the engine pool and addresses are confirmed without the store", async () => {
    const address = await one.address(poolOne);
    one.network();
    one.client.unreachable = true;
    one.book.beginReplay();
    assert.equal(await one.pool(), poolOne);
    assert.equal(await one.address(poolOne, { ip: address }), address);
    await assert.rejects(one.address(poolOne, { ip: address }), { code: "FW3011" });
    await assert.rejects(one.pool(), { code: "FW3010" });
  });
});

describe("blocks by hand", () => {
  test("a host hands out of its block only, and needs no cluster", async () => {
    const cluster = new FakeCluster();
    cluster.down = true;
    const host = new Host(cluster, "one");
    const poolId = await host.pool("10.244.0.0/16", { block: "10.244.1.0/30" });
    assert.equal(await host.book.requestAddress({ poolId, isGateway: true }), "10.244.0.1/16");
    assert.deepEqual(host.book.blocksOf(subnet), ["10.244.1.0/30"]);
    assert.deepEqual(await take(host, poolId, 4), ["10.244.1.0", "10.244.1.1", "10.244.1.2", "10.244.1.3"]);
    await assert.rejects(host.address(poolId), { code: "FW3011", message: "no address of 10.244.1.0/30 is free" });
    host.network();
    await assert.rejects(host.address(poolId, { ip: "10.244.1.4" }), {
      code: "FW3011",
      message: /the block of this host/,
    });
    await host.release(poolId, "10.244.1.2");
    assert.equal(await host.address(poolId, { ip: "10.244.1.2" }), "10.244.1.2");
  });

  test("both families of a network are told the same options, and each takes its own", async () => {
    const host = new Host(new FakeCluster(), "one");
    const options = { block: "10.244.1.0/26,fd00:88::40/122" };
    const pools = [await host.pool("10.244.0.0/16", options), await host.pool("fd00:88::/64", options)];
    assert.deepEqual(
      [await take(host, pools[0] ?? "", 1), await take(host, pools[1] ?? "", 1)],
      [["10.244.1.0"], ["fd00:88::40"]],
    );
    await assert.rejects(host.pool("fd00:89::/64", { block: "10.244.1.0/26" }), {
      code: "FW1003",
      message: /names no part/,
    });
    const space = parsePrefix("fd00:90::/48");
    const six = new Host(new FakeCluster(), "six", space);
    await take(six, await six.pool("fd00:90::/64", { block_size: "27,124" }), 1);
    assert.match(six.book.blocksOf(parsePrefix("fd00:90::/64"))?.[0] ?? "", /\/124$/);
  });

  test("the block that holds the gateway does not hand it out, nor the ends of the subnet", async () => {
    const host = new Host(new FakeCluster(), "one");
    const poolId = await host.pool("10.244.0.0/16", { block: "10.244.0.0/30" });
    assert.deepEqual(await take(host, poolId, 2), ["10.244.0.2", "10.244.0.3"]);
    await assert.rejects(host.address(poolId), { code: "FW3011" });
  });

  test("a block outside the subnet, and options that contradict each other, are refused", async () => {
    const host = new Host(new FakeCluster(), "one");
    await assert.rejects(host.pool("10.88.0.0/16", { block: "10.89.0.0/26" }), { code: "FW3010" });
    await assert.rejects(host.pool("10.88.0.0/16", { block: "10.88.0.0/26", borrow: "true" }), { code: "FW1003" });
    await assert.rejects(host.pool("10.88.0.0/16", { block: "10.88" }), { code: "FW1002" });
    await assert.rejects(host.pool("10.88.0.0/16", { borrow: "maybe" }), { code: "FW1002" });
    await assert.rejects(host.pool("10.88.0.0/16", { block_size: "26" }), { code: "FW1003" });
    await assert.rejects(host.pool("10.88.0.0/16", { blok: "10.88.0.0/26" }), {
      code: "FW1001",
      message: /mean block\?$/,
    });
  });
});
