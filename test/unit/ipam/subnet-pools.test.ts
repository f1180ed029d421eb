import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { explain } from "../../../src/errors.ts";
import { coolDownMs } from "../../../src/ipam/subnet-leases.ts";
import { parseMac } from "../../../src/model/ids.ts";
import { parsePrefix } from "../../../src/model/ip.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { ip } from "../../fakes/requests.ts";
import { BookRoom } from "./room.ts";

async function textOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    return explain(error);
  }
  return assert.fail("it was not refused");
}

describe("pools with a subnet", () => {
  let room: BookRoom;

  beforeEach(() => {
    room = new BookRoom();
  });

  for (const [subnet, length, first] of [
    ["10.88.0.0/24", 24, "10.88.0"],
    ["fd00:88::/64", 64, "fd00:88:"],
  ] as const) {
    test(`${subnet}: gateway, then containers, with the subnet's length`, async () => {
      const { poolId, ...reply } = await room.pool(subnet);
      assert.deepEqual(reply, { subnet }, "no gateway of its own: the engine asks for one");
      const separator = subnet.includes(":") ? ":" : ".";
      assert.equal(await room.gateway(poolId), `${first}${separator}1/${length}`);
      assert.equal(await room.address(poolId), `${first}${separator}2/${length}`);
      assert.equal(await room.address(poolId), `${first}${separator}3/${length}`);
    });
  }

  test("both families of a network are pools of their own", async () => {
    const [v4, v6] = [await room.pool("10.88.0.0/24"), await room.pool("fd00:88::/64", { v6: true })];
    assert.notEqual(v4.poolId, v6.poolId);
    assert.equal(await room.address(v4.poolId), "10.88.0.1/24");
    assert.equal(await room.address(v6.poolId), "fd00:88::1/64");
  });

  test("an address that was asked for is given, inside the range or not", async () => {
    const { poolId } = await room.pool("10.88.0.0/24", { range: "10.88.0.128/25" });
    assert.equal(await room.gateway(poolId, "10.88.0.254"), "10.88.0.254/24");
    assert.equal(await room.address(poolId, { ip: "10.88.0.5" }), "10.88.0.5/24");
    assert.equal(await room.address(poolId), "10.88.0.128/24");
  });

  test("one that is held is refused, whoever holds it: FW3011", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    await room.gateway(poolId);
    await room.address(poolId);
    for (const taken of ["10.88.0.1", "10.88.0.2"]) {
      assert.equal(
        await textOf(() => room.address(poolId, { ip: taken })),
        `address ${taken} of 10.88.0.0/24 is in use\n` +
          "  why: another container has it, or it is the gateway or reserved\n" +
          "  fix: choose another --ip, or leave it out  [FW3011, docs/errors.md#fw3011]",
      );
    }
    await assert.rejects(() => room.gateway(poolId, "10.88.0.2"), { code: "FW3011" });
  });

  test("one that cannot be a container's is refused: FW3010", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    for (const wrong of ["10.88.0.0", "10.88.0.255", "10.88.1.5", "fd00:88::5"]) {
      await assert.rejects(() => room.address(poolId, { ip: wrong }), {
        code: "FW3010",
        message: `address ${wrong} is not a usable address of 10.88.0.0/24`,
      });
    }
    assert.deepEqual(room.leases(), []);
  });

  test("when all are taken: FW3011 with the range, and a released one is given again at once", async () => {
    const { poolId } = await room.pool("10.88.0.0/24", { range: "10.88.0.8/31" });
    await room.gateway(poolId, "10.88.0.1");
    await room.address(poolId, { name: "a" });
    await room.address(poolId, { name: "b" });
    await assert.rejects(() => room.address(poolId), { code: "FW3011", message: "no address of 10.88.0.8/31 is free" });
    await assert.rejects(() => room.gateway(poolId), { code: "FW3011" });
    await room.release(poolId, "10.88.0.9");
    assert.equal(await room.address(poolId, { name: "c" }), "10.88.0.9/24");
  });

  test("a released address rests before a stranger gets it, also across a restart", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    await room.address(poolId, { name: "web" });
    await room.release(poolId, "10.88.0.1");
    room.restart();
    room.nowMs += coolDownMs - 1;
    assert.equal(await room.address(poolId, { name: "db" }), "10.88.0.2/24");
    room.nowMs += 1;
    assert.equal(await room.address(poolId, { name: "cache" }), "10.88.0.1/24");
  });

  test("a container gets its former address back, by name or by MAC, also across a restart", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    const mac = parseMac("02:42:ac:11:00:02");
    await room.address(poolId, { name: "first" });
    await room.address(poolId, { name: "web" });
    await room.book.requestAddress({ poolId, isGateway: false, mac });
    for (const address of ["10.88.0.1", "10.88.0.2", "10.88.0.3"]) {
      await room.release(poolId, address);
    }
    room.restart();
    room.nowMs += 2 * coolDownMs;
    assert.equal(await room.book.requestAddress({ poolId, isGateway: false, mac }), "10.88.0.3/24");
    assert.equal(await room.address(poolId, { name: "web" }), "10.88.0.2/24");
  });

  test("a gateway that is released is nobody's former address", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    await room.gateway(poolId, "10.88.0.1");
    await room.release(poolId, "10.88.0.1");
    assert.deepEqual(room.leases(), []);
    assert.equal(await room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
  });

  test("releases: twice, of what nobody has, of a pool that nobody knows", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    await room.address(poolId);
    await room.release(poolId, "10.88.0.1");
    const [first] = room.store.loadPools().leases;
    room.nowMs += 5000;
    await room.release(poolId, "10.88.0.1");
    await room.release(poolId, "10.88.0.99");
    await room.release("elsewhere", "10.88.0.1");
    await room.book.releasePool("elsewhere");
    assert.deepEqual(room.store.loadPools().leases, [first], "the first release counts");
  });

  test("a pool that is released takes its addresses along, and its subnet is free again", async () => {
    const { poolId } = await room.pool("10.88.0.0/24");
    await room.address(poolId);
    await room.book.releasePool(poolId);
    assert.deepEqual(room.store.loadPools(), { pools: [], leases: [] });
    await assert.rejects(() => room.address(poolId), {
      code: "FW3010",
      message: /^address pool .* is not known to fairway$/,
    });
    assert.equal(await room.address((await room.pool("10.88.0.0/24")).poolId), "10.88.0.1/24");
  });

  for (const other of ["10.88.0.0/24", "10.88.0.0/16", "10.88.0.128/25"]) {
    test(`${other} overlaps with 10.88.0.0/24: FW3010, also after a restart`, async () => {
      await room.pool("10.88.0.0/24");
      room.restart();
      assert.equal(
        await textOf(() => room.pool(other)),
        `subnet ${other} overlaps with 10.88.0.0/24, whose addresses another network hands out\n` +
          "  why: an address must never be given to two containers\n" +
          "  fix: choose another --subnet, or remove the network that has it (docker network ls)" +
          "  [FW3010, docs/errors.md#fw3010]",
      );
      await room.pool("10.88.1.0/24");
    });
  }

  test("a range that reaches beyond the subnet is refused", async () => {
    for (const range of ["10.88.0.0/23", "10.88.0.0/16"]) {
      await assert.rejects(() => room.pool("10.88.0.0/24", { range }), { code: "FW3010" });
    }
    assert.equal((await room.pool("10.88.0.0/24", { range: "10.88.0.0/24" })).subnet, "10.88.0.0/24");
  });

  test("a range of the host's own address is refused", async () => {
    for (const subnet of [undefined, "192.0.2.10/32"]) {
      await assert.rejects(() => room.pool(subnet, { range: "10.88.0.0/24" }), { code: "FW3010" });
    }
  });

  test("a gateway that was given back is an address like others again", async () => {
    const { poolId } = await room.pool("10.88.0.0/30");
    assert.equal(await room.gateway(poolId), "10.88.0.1/30");
    await room.release(poolId, "10.88.0.1");
    assert.equal(await room.gateway(poolId, "10.88.0.2"), "10.88.0.2/30");
    assert.equal(await room.address(poolId), "10.88.0.1/30");
  });

  test("a range elsewhere is refused, also one of the other family", async () => {
    for (const range of ["10.99.0.0/25", "10.88.1.0/25", "fd00:88::/96"]) {
      await assert.rejects(() => room.pool("10.88.0.0/24", { range }), {
        code: "FW3010",
        message: `range ${range} is not a usable address of 10.88.0.0/24`,
      });
    }
    assert.deepEqual(room.store.loadPools().pools, []);
  });

  test("an ipam option is refused by its name, cut to a line: FW1001", async () => {
    const request = (key: string) => ({
      subnet: parsePrefix("10.88.0.0/24"),
      ipv6: false,
      options: new Map([[key, "x"]]),
    });
    assert.equal(
      await textOf(() => room.book.requestPool(request("blocks"))),
      'ipam option "blocks" is not known; did you mean block?\n' +
        "  why: an ignored option would be a promise not kept\n" +
        "  fix: the ipam options are: block, block_size, borrow  [FW1001, docs/errors.md#fw1001]",
    );
    assert.ok((await textOf(() => room.book.requestPool(request("x".repeat(5000))))).length < 400);
  });
});

describe("the disk comes first", () => {
  class FullDisk extends FakeStore {
    isFull = false;

    override putPool(...args: Parameters<FakeStore["putPool"]>): void {
      this.#check();
      super.putPool(...args);
    }

    override putLease(...args: Parameters<FakeStore["putLease"]>): void {
      this.#check();
      super.putLease(...args);
    }

    #check(): void {
      if (this.isFull) {
        throw new Error("ENOSPC");
      }
    }
  }

  test("what cannot be written down is not given", async () => {
    const disk = new FullDisk();
    const room = new BookRoom(disk);
    const { poolId } = await room.pool("10.88.0.0/24");
    disk.isFull = true;
    await assert.rejects(() => room.address(poolId, { ip: "10.88.0.7" }), /ENOSPC/);
    await assert.rejects(() => room.pool("10.89.0.0/24"), /ENOSPC/);
    disk.isFull = false;
    assert.equal(await room.address(poolId, { ip: "10.88.0.7" }), "10.88.0.7/24");
    await room.pool("10.89.0.0/24");
  });

  test("what was given is still given after a restart", async () => {
    const room = new BookRoom();
    const { poolId } = await room.pool("10.88.0.0/24", { range: "10.88.0.2/31" });
    await room.address(poolId, { name: "web" });
    room.restart();
    await assert.rejects(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.equal(await room.address(poolId, { name: "web" }), "10.88.0.3/24", "it has only one namesake's address");
    assert.equal(room.store.loadPools().leases.find(({ address }) => address === ip("10.88.0.3"))?.holder, "web");
  });
});
