import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { hostNetworkOf, ip } from "../../fakes/requests.ts";
import { BookRoom } from "./room.ts";

describe("pools of the host's own address", () => {
  let room: BookRoom;

  beforeEach(() => {
    room = new BookRoom();
  });

  const pools: [string, string | undefined, boolean, string, string][] = [
    ["without a subnet", undefined, false, "0.0.0.0/0", "169.254.80.1/32"],
    ["without a subnet, of IPv6", undefined, true, "::/0", "fe80::fa17:0:1/128"],
    ["as the engine repeats it after its restart", "0.0.0.0/0", false, "0.0.0.0/0", "169.254.80.1/32"],
    ["the same of IPv6", "::/0", true, "::/0", "fe80::fa17:0:1/128"],
    ["with an address as its subnet", "192.0.2.10/32", false, "192.0.2.10/32", "169.254.80.1/32"],
    ["with an IPv6 address as its subnet", "2001:db8::10/128", false, "2001:db8::10/128", "fe80::fa17:0:1/128"],
  ];
  for (const [name, subnet, v6, answered, gateway] of pools) {
    test(`${name}: a link-local gateway comes with it`, async () => {
      const { poolId, ...reply } = await room.pool(subnet, { v6 });
      assert.deepEqual(reply, { subnet: answered, gateway });
      assert.equal(await room.gateway(poolId), gateway, "asked for all the same");
      assert.equal(await room.gateway(poolId, gateway.slice(0, gateway.indexOf("/"))), gateway, "and by its number");
    });
  }

  test("each has another gateway, and no two overlap", async () => {
    const gateways = [await room.pool(), await room.pool(), await room.pool("192.0.2.10/32")].map(
      ({ gateway }) => gateway,
    );
    assert.deepEqual(gateways, ["169.254.80.1/32", "169.254.80.2/32", "169.254.80.3/32"]);
    await room.pool("192.0.2.0/24");
  });

  test("the gateway of a network that came without us is not chosen", async () => {
    room.registry.putNetwork(hostNetworkOf());
    assert.equal((await room.pool()).gateway, "169.254.80.2/32");
    assert.equal((await room.pool(undefined, { v6: true })).gateway, "fe80::fa17:0:2/128");
  });

  test("the gateway of a pool that was released is chosen again", async () => {
    const { poolId } = await room.pool();
    await room.book.releasePool(poolId);
    assert.equal((await room.pool()).gateway, "169.254.80.1/32");
  });

  test("when all gateways are taken: FW3010", async () => {
    for (let number = 1; number <= 4094; number += 1) {
      const gateway = ip(`169.254.${80 + (number >> 8)}.${number & 255}`);
      room.store.putPool({ kind: "shared", id: String(number), family: "ipv4", gateway });
    }
    room.restart();
    await assert.rejects(() => room.pool(), { code: "FW3010", message: "no gateway is left for another network" });
    assert.equal((await room.pool(undefined, { v6: true })).gateway, "fe80::fa17:0:1/128", "of this family only");
  });

  test("--gateway is for fairway to choose: FW3010", async () => {
    const [first, second] = [await room.pool(), await room.pool()];
    for (const wrong of ["192.0.2.1", "169.254.1.1", "169.254.80.2"]) {
      await assert.rejects(() => room.gateway(first.poolId, wrong), {
        code: "FW3010",
        message: `gateway ${wrong} cannot be chosen`,
      });
    }
    assert.equal(await room.gateway(second.poolId), "169.254.80.2/32");
  });

  describe("addresses", () => {
    test("of either family are those that the pool's network shares, for every container", async () => {
      const pools = [await room.pool(), await room.pool(undefined, { v6: true })];
      room.registry.putNetwork(hostNetworkOf());
      for (const [pool, address] of [
        [pools[0], "192.0.2.10"],
        [pools[1], "2001:db8::10"],
      ] as const) {
        const { poolId = "" } = pool ?? {};
        const length = address.includes(":") ? 128 : 32;
        assert.equal(await room.address(poolId, { name: "web" }), `${address}/${length}`);
        assert.equal(await room.address(poolId, { name: "db" }), `${address}/${length}`);
        assert.equal(await room.address(poolId, { ip: address }), `${address}/${length}`);
        await room.release(poolId, address);
        assert.equal(await room.address(poolId), `${address}/${length}`);
      }
      assert.deepEqual(room.leases(), [], "nothing to remember");
    });

    test("follow the host's address", async () => {
      const { poolId } = await room.pool();
      room.registry.putNetwork(hostNetworkOf());
      room.registry.putNetwork(hostNetworkOf({ sharedIpv4: ip("192.0.2.77") }));
      assert.equal(await room.address(poolId), "192.0.2.77/32");
    });

    test("another one than the network's is refused: FW3010", async () => {
      const { poolId } = await room.pool();
      room.registry.putNetwork(hostNetworkOf());
      await assert.rejects(() => room.address(poolId, { ip: "192.0.2.11" }), {
        code: "FW3010",
        message: "address 192.0.2.11 is not a usable address of 192.0.2.10/32",
      });
    });

    test("each pool has its own network's", async () => {
      const [first, second] = [await room.pool(), await room.pool()];
      room.registry.putNetwork(hostNetworkOf({}, 1));
      room.registry.putNetwork(hostNetworkOf({ sharedIpv4: ip("198.51.100.1") }, 2));
      assert.equal(await room.address(second.poolId), "198.51.100.1/32");
      assert.equal(await room.address(first.poolId), "192.0.2.10/32");
    });

    test("without such a network, the text has the two commands that would work: FW3010", async () => {
      const { poolId } = await room.pool();
      await assert.rejects(() => room.address(poolId), {
        code: "FW3010",
        message: "this network has no subnet",
        fix:
          "type: docker network create -d fairway --ipam-driver fairway -o mode=host NAME, " +
          "or: docker network create -d fairway --ipam-driver fairway --subnet 10.88.0.0/24 NAME",
      });
    });

    test("of a family that the network does not share: FW3010", async () => {
      const { poolId } = await room.pool(undefined, { v6: true });
      const { sharedIpv6: _, ...onlyIpv4 } = hostNetworkOf();
      room.registry.putNetwork(onlyIpv4);
      await assert.rejects(() => room.address(poolId), {
        code: "FW3010",
        message: "this host has no IPv6 address to share",
        fix: "create the network without that family",
      });
    });
  });
});
