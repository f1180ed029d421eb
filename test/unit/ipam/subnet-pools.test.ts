import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { explain } from "../../../src/errors.ts";
import { coolDownMs } from "../../../src/ipam/subnet-leases.ts";
import { parseMac } from "../../../src/model/ids.ts";
import { parsePrefix } from "../../../src/model/ip.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { ip } from "../../fakes/requests.ts";
import { BookRoom } from "./room.ts";

function textOf(action: () => unknown): string {
  try {
    action();
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
    test(`${subnet}: gateway, then containers, with the subnet's length`, () => {
      const { poolId, ...reply } = room.pool(subnet);
      assert.deepEqual(reply, { subnet }, "no gateway of its own: the engine asks for one");
      const separator = subnet.includes(":") ? ":" : ".";
      assert.equal(room.gateway(poolId), `${first}${separator}1/${length}`);
      assert.equal(room.address(poolId), `${first}${separator}2/${length}`);
      assert.equal(room.address(poolId), `${first}${separator}3/${length}`);
    });
  }

  test("both families of a network are pools of their own", () => {
    const [v4, v6] = [room.pool("10.88.0.0/24"), room.pool("fd00:88::/64", { v6: true })];
    assert.notEqual(v4.poolId, v6.poolId);
    assert.equal(room.address(v4.poolId), "10.88.0.1/24");
    assert.equal(room.address(v6.poolId), "fd00:88::1/64");
  });

  test("an address that was asked for is given, inside the range or not", () => {
    const { poolId } = room.pool("10.88.0.0/24", { range: "10.88.0.128/25" });
    assert.equal(room.gateway(poolId, "10.88.0.254"), "10.88.0.254/24");
    assert.equal(room.address(poolId, { ip: "10.88.0.5" }), "10.88.0.5/24");
    assert.equal(room.address(poolId), "10.88.0.128/24");
  });

  test("one that is held is refused, whoever holds it: FW3011", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    room.gateway(poolId);
    room.address(poolId);
    for (const taken of ["10.88.0.1", "10.88.0.2"]) {
      assert.equal(
        textOf(() => room.address(poolId, { ip: taken })),
        `address ${taken} of 10.88.0.0/24 is in use\n` +
          "  why: another container has it, or it is the gateway or reserved\n" +
          "  fix: choose another --ip, or leave it out  [FW3011, docs/errors.md#fw3011]",
      );
    }
    assert.throws(() => room.gateway(poolId, "10.88.0.2"), { code: "FW3011" });
  });

  test("one that cannot be a container's is refused: FW3010", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    for (const wrong of ["10.88.0.0", "10.88.0.255", "10.88.1.5", "fd00:88::5"]) {
      assert.throws(() => room.address(poolId, { ip: wrong }), {
        code: "FW3010",
        message: `address ${wrong} is not a usable address of 10.88.0.0/24`,
      });
    }
    assert.deepEqual(room.leases(), []);
  });

  test("when all are taken: FW3011 with the range, and a released one is given again at once", () => {
    const { poolId } = room.pool("10.88.0.0/24", { range: "10.88.0.8/31" });
    room.gateway(poolId, "10.88.0.1");
    room.address(poolId, { name: "a" });
    room.address(poolId, { name: "b" });
    assert.throws(() => room.address(poolId), { code: "FW3011", message: "no address of 10.88.0.8/31 is free" });
    assert.throws(() => room.gateway(poolId), { code: "FW3011" });
    room.release(poolId, "10.88.0.9");
    assert.equal(room.address(poolId, { name: "c" }), "10.88.0.9/24");
  });

  test("a released address rests before a stranger gets it, also across a restart", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    room.address(poolId, { name: "web" });
    room.release(poolId, "10.88.0.1");
    room.restart();
    room.nowMs += coolDownMs - 1;
    assert.equal(room.address(poolId, { name: "db" }), "10.88.0.2/24");
    room.nowMs += 1;
    assert.equal(room.address(poolId, { name: "cache" }), "10.88.0.1/24");
  });

  test("a container gets its former address back, by name or by MAC, also across a restart", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    const mac = parseMac("02:42:ac:11:00:02");
    room.address(poolId, { name: "first" });
    room.address(poolId, { name: "web" });
    room.book.requestAddress({ poolId, isGateway: false, mac });
    for (const address of ["10.88.0.1", "10.88.0.2", "10.88.0.3"]) {
      room.release(poolId, address);
    }
    room.restart();
    room.nowMs += 2 * coolDownMs;
    assert.equal(room.book.requestAddress({ poolId, isGateway: false, mac }), "10.88.0.3/24");
    assert.equal(room.address(poolId, { name: "web" }), "10.88.0.2/24");
  });

  test("a gateway that is released is nobody's former address", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    room.gateway(poolId, "10.88.0.1");
    room.release(poolId, "10.88.0.1");
    assert.deepEqual(room.leases(), []);
    assert.equal(room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
  });

  test("releases: twice, of what nobody has, of a pool that nobody knows", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    room.address(poolId);
    room.release(poolId, "10.88.0.1");
    const [first] = room.store.loadPools().leases;
    room.nowMs += 5000;
    room.release(poolId, "10.88.0.1");
    room.release(poolId, "10.88.0.99");
    room.release("elsewhere", "10.88.0.1");
    room.book.releasePool("elsewhere");
    assert.deepEqual(room.store.loadPools().leases, [first], "the first release counts");
  });

  test("a pool that is released takes its addresses along, and its subnet is free again", () => {
    const { poolId } = room.pool("10.88.0.0/24");
    room.address(poolId);
    room.book.releasePool(poolId);
    assert.deepEqual(room.store.loadPools(), { pools: [], leases: [] });
    assert.throws(() => room.address(poolId), { code: "FW3010", message: /^address pool .* is not known to fairway$/ });
    assert.equal(room.address(room.pool("10.88.0.0/24").poolId), "10.88.0.1/24");
  });

  for (const other of ["10.88.0.0/24", "10.88.0.0/16", "10.88.0.128/25"]) {
    test(`${other} overlaps with 10.88.0.0/24: FW3010, also after a restart`, () => {
      room.pool("10.88.0.0/24");
      room.restart();
      assert.equal(
        textOf(() => room.pool(other)),
        `subnet ${other} overlaps with 10.88.0.0/24, whose addresses another network hands out\n` +
          "  why: an address must never be given to two containers\n" +
          "  fix: choose another --subnet, or remove the network that has it (docker network ls)" +
          "  [FW3010, docs/errors.md#fw3010]",
      );
      room.pool("10.88.1.0/24");
    });
  }

  test("a range that reaches beyond the subnet is refused", () => {
    for (const range of ["10.88.0.0/23", "10.88.0.0/16"]) {
      assert.throws(() => room.pool("10.88.0.0/24", { range }), { code: "FW3010" });
    }
    assert.equal(room.pool("10.88.0.0/24", { range: "10.88.0.0/24" }).subnet, "10.88.0.0/24");
  });

  test("a range of the host's own address is refused", () => {
    for (const subnet of [undefined, "192.0.2.10/32"]) {
      assert.throws(() => room.pool(subnet, { range: "10.88.0.0/24" }), { code: "FW3010" });
    }
  });

  test("a gateway that was given back is an address like others again", () => {
    const { poolId } = room.pool("10.88.0.0/30");
    assert.equal(room.gateway(poolId), "10.88.0.1/30");
    room.release(poolId, "10.88.0.1");
    assert.equal(room.gateway(poolId, "10.88.0.2"), "10.88.0.2/30");
    assert.equal(room.address(poolId), "10.88.0.1/30");
  });

  test("a range elsewhere is refused, also one of the other family", () => {
    for (const range of ["10.99.0.0/25", "10.88.1.0/25", "fd00:88::/96"]) {
      assert.throws(() => room.pool("10.88.0.0/24", { range }), {
        code: "FW3010",
        message: `range ${range} is not a usable address of 10.88.0.0/24`,
      });
    }
    assert.deepEqual(room.store.loadPools().pools, []);
  });

  test("an ipam option is refused by its name, cut to a line: FW1001", () => {
    const request = (key: string) => ({
      subnet: parsePrefix("10.88.0.0/24"),
      ipv6: false,
      options: new Map([[key, "x"]]),
    });
    assert.equal(
      textOf(() => room.book.requestPool(request("block"))),
      'ipam option "block" is not known\n' +
        "  why: an ignored option would be a promise not kept, and this version has no ipam options\n" +
        "  fix: leave out --ipam-opt  [FW1001, docs/errors.md#fw1001]",
    );
    assert.ok(textOf(() => room.book.requestPool(request("x".repeat(5000)))).length < 400);
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

  test("what cannot be written down is not given", () => {
    const disk = new FullDisk();
    const room = new BookRoom(disk);
    const { poolId } = room.pool("10.88.0.0/24");
    disk.isFull = true;
    assert.throws(() => room.address(poolId, { ip: "10.88.0.7" }), /ENOSPC/);
    assert.throws(() => room.pool("10.89.0.0/24"), /ENOSPC/);
    disk.isFull = false;
    assert.equal(room.address(poolId, { ip: "10.88.0.7" }), "10.88.0.7/24");
    room.pool("10.89.0.0/24");
  });

  test("what was given is still given after a restart", () => {
    const room = new BookRoom();
    const { poolId } = room.pool("10.88.0.0/24", { range: "10.88.0.2/31" });
    room.address(poolId, { name: "web" });
    room.restart();
    assert.throws(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.equal(room.address(poolId, { name: "web" }), "10.88.0.3/24", "it has only one namesake's address");
    assert.equal(room.store.loadPools().leases.find(({ address }) => address === ip("10.88.0.3"))?.holder, "web");
  });
});
