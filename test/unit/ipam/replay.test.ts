/** Restarts: of the engine, which repeats what it believes in, and of the daemon, which is told nothing. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { endpointOf, hostNetworkOf, ip, networkOf } from "../../fakes/requests.ts";
import { BookRoom } from "./room.ts";

const subnet = "10.88.0.0/24";

describe("after a restart of the engine, a pool with a subnet", () => {
  let room: BookRoom;
  let poolId: string;

  /** Gateway .1 and containers at .2 and .3. */
  beforeEach(async () => {
    room = new BookRoom();
    ({ poolId } = await room.pool(subnet));
    await room.gateway(poolId);
    await room.address(poolId, { name: "web" });
    await room.address(poolId, { name: "db" });
  });

  const pools = (): number => room.store.loadPools().pools.length;

  test("that is repeated is the same one, once", async () => {
    room.book.beginReplay();
    assert.equal((await room.pool(subnet)).poolId, poolId);
    await assert.rejects(() => room.pool(subnet), { code: "FW3010" });
    assert.equal(pools(), 1);
  });

  test("has its gateway and its containers' addresses confirmed, each once", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    assert.equal(await room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
    assert.equal(await room.address(poolId, { ip: "10.88.0.2" }), "10.88.0.2/24");
    await assert.rejects(() => room.gateway(poolId, "10.88.0.1"), { code: "FW3011" });
    await assert.rejects(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3"]);
  });

  test("takes back what was not repeated when the first new container comes", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    await room.gateway(poolId, "10.88.0.1");
    await room.address(poolId, { ip: "10.88.0.2" });
    assert.equal(await room.address(poolId, { name: "db" }), "10.88.0.3/24", "its own former one");
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3"]);
    assert.match(room.log.lines.join("\n"), /warn took back an address that the engine has forgotten/);
  });

  test("keeps what a container of ours still uses", async () => {
    room.registry.putNetwork(networkOf());
    room.registry.putEndpoint(endpointOf({ ipv4: parseInterfaceAddress("10.88.0.3/24") }));
    room.book.beginReplay();
    await room.pool(subnet);
    await room.gateway(poolId, "10.88.0.1");
    await room.address(poolId, { name: "cache" });
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2 rests", "10.88.0.3", "10.88.0.4"]);
  });

  test("takes nothing back while the engine is still repeating gateways", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    await room.gateway(poolId);
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3", "10.88.0.4"]);
  });

  test("an address that is released in between is not confirmed any more", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    await room.release(poolId, "10.88.0.2");
    assert.equal(await room.address(poolId, { name: "web" }), "10.88.0.2/24");
    await assert.rejects(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
  });

  test("what was given after the restart is not taken back", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    await room.address(poolId, { name: "new" });
    await room.address(poolId, { name: "newer" });
    const held = room.leases().filter((line) => !line.endsWith("rests"));
    assert.equal(held.length, 2);
  });

  test("that is forgotten gives way to another in its place, with a warning", async () => {
    room.book.beginReplay();
    const other = await room.pool("10.88.0.0/16");
    assert.notEqual(other.poolId, poolId);
    assert.equal(pools(), 1);
    assert.match(room.log.lines.join("\n"), /warn gave up an address pool that the engine has forgotten/);
    await assert.rejects(() => room.address(poolId), { code: "FW3010" });
  });

  test("with another range is another pool", async () => {
    room.book.beginReplay();
    assert.notEqual((await room.pool(subnet, { range: "10.88.0.128/25" })).poolId, poolId);
    assert.equal(pools(), 1);
  });

  test("the daemon's own restart asks for no repetition: everything is still somebody's", async () => {
    room.restart();
    await assert.rejects(() => room.pool(subnet), { code: "FW3010" });
    await assert.rejects(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.equal(await room.address(poolId, { name: "cache" }), "10.88.0.4/24");
  });

  test("a second restart of the engine begins anew", async () => {
    room.book.beginReplay();
    await room.pool(subnet);
    await room.gateway(poolId, "10.88.0.1");
    room.book.beginReplay();
    assert.equal((await room.pool(subnet)).poolId, poolId);
    assert.equal(await room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
  });
});

describe("after a restart of the engine, a pool of the host's own address", () => {
  let room: BookRoom;

  beforeEach(async () => {
    room = new BookRoom();
    await room.pool();
    room.registry.putNetwork(hostNetworkOf());
  });

  test("gets the gateway that it had, and so leads to the same network", async () => {
    room.book.beginReplay();
    const { poolId } = await room.pool("0.0.0.0/0");
    assert.equal(await room.gateway(poolId, "169.254.80.1"), "169.254.80.1/32");
    assert.equal(await room.address(poolId), "192.0.2.10/32");
    assert.deepEqual(
      room.store.loadPools().pools.map(({ id }) => id),
      [poolId],
      "the old one went",
    );
  });

  test("two of them keep theirs, in whatever order they are repeated", async () => {
    await room.pool();
    room.registry.putNetwork(hostNetworkOf({}, 2));
    room.book.beginReplay();
    const [second, first] = [await room.pool("0.0.0.0/0"), await room.pool("0.0.0.0/0")];
    assert.equal(await room.gateway(second.poolId, "169.254.80.2"), "169.254.80.2/32");
    assert.equal(await room.gateway(first.poolId, "169.254.80.1"), "169.254.80.1/32");
    await assert.rejects(() => room.gateway(first.poolId, "169.254.80.2"), { code: "FW3010" });
    assert.equal(room.store.loadPools().pools.length, 2);
  });

  test("is the same after the daemon's next start", async () => {
    room.book.beginReplay();
    const { poolId } = await room.pool("0.0.0.0/0");
    await room.gateway(poolId, "169.254.80.1");
    room.restart();
    assert.equal(await room.address(poolId), "192.0.2.10/32");
    assert.equal((await room.pool()).gateway, "169.254.80.2/32");
  });
});

test("after a restart of the engine, gateways of networks that it has forgotten are free for others", async () => {
  const room = new BookRoom();
  const [known, forgotten, foreign] = [await room.pool(), await room.pool(), await room.pool()];
  room.registry.putNetwork(hostNetworkOf());
  room.registry.putNetwork(hostNetworkOf({ gatewayIpv4: ip("169.254.80.3"), gatewayIpv6: ip("fe80::fa17:0:3") }, 3));
  room.book.beginReplay();
  const again = await room.pool();
  await room.gateway(again.poolId, known.gateway?.split("/")[0] ?? "");
  const ids = () => room.store.loadPools().pools.map(({ id }) => id);
  await room.address(again.poolId, { ip: "192.0.2.10" });
  assert.ok(ids().includes(forgotten.poolId), "it may be about to be repeated");
  await room.address(again.poolId);
  // The network driver knows the third: its network is there.
  assert.deepEqual(ids().sort(), [again.poolId, foreign.poolId].sort());
  assert.equal((await room.pool()).gateway, forgotten.gateway);
});
