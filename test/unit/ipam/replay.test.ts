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
  beforeEach(() => {
    room = new BookRoom();
    ({ poolId } = room.pool(subnet));
    room.gateway(poolId);
    room.address(poolId, { name: "web" });
    room.address(poolId, { name: "db" });
  });

  const pools = (): number => room.store.loadPools().pools.length;

  test("that is repeated is the same one, once", () => {
    room.book.beginReplay();
    assert.equal(room.pool(subnet).poolId, poolId);
    assert.throws(() => room.pool(subnet), { code: "FW3010" });
    assert.equal(pools(), 1);
  });

  test("has its gateway and its containers' addresses confirmed, each once", () => {
    room.book.beginReplay();
    room.pool(subnet);
    assert.equal(room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
    assert.equal(room.address(poolId, { ip: "10.88.0.2" }), "10.88.0.2/24");
    assert.throws(() => room.gateway(poolId, "10.88.0.1"), { code: "FW3011" });
    assert.throws(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3"]);
  });

  test("takes back what was not repeated when the first new container comes", () => {
    room.book.beginReplay();
    room.pool(subnet);
    room.gateway(poolId, "10.88.0.1");
    room.address(poolId, { ip: "10.88.0.2" });
    assert.equal(room.address(poolId, { name: "db" }), "10.88.0.3/24", "its own former one");
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3"]);
    assert.match(room.log.lines.join("\n"), /warn took back an address that the engine has forgotten/);
  });

  test("keeps what a container of ours still uses", () => {
    room.registry.putNetwork(networkOf());
    room.registry.putEndpoint(endpointOf({ ipv4: parseInterfaceAddress("10.88.0.3/24") }));
    room.book.beginReplay();
    room.pool(subnet);
    room.gateway(poolId, "10.88.0.1");
    room.address(poolId, { name: "cache" });
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2 rests", "10.88.0.3", "10.88.0.4"]);
  });

  test("takes nothing back while the engine is still repeating gateways", () => {
    room.book.beginReplay();
    room.pool(subnet);
    room.gateway(poolId);
    assert.deepEqual(room.leases(), ["10.88.0.1", "10.88.0.2", "10.88.0.3", "10.88.0.4"]);
  });

  test("an address that is released in between is not confirmed any more", () => {
    room.book.beginReplay();
    room.pool(subnet);
    room.release(poolId, "10.88.0.2");
    assert.equal(room.address(poolId, { name: "web" }), "10.88.0.2/24");
    assert.throws(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
  });

  test("what was given after the restart is not taken back", () => {
    room.book.beginReplay();
    room.pool(subnet);
    room.address(poolId, { name: "new" });
    room.address(poolId, { name: "newer" });
    const held = room.leases().filter((line) => !line.endsWith("rests"));
    assert.equal(held.length, 2);
  });

  test("that is forgotten gives way to another in its place, with a warning", () => {
    room.book.beginReplay();
    const other = room.pool("10.88.0.0/16");
    assert.notEqual(other.poolId, poolId);
    assert.equal(pools(), 1);
    assert.match(room.log.lines.join("\n"), /warn gave up an address pool that the engine has forgotten/);
    assert.throws(() => room.address(poolId), { code: "FW3010" });
  });

  test("with another range is another pool", () => {
    room.book.beginReplay();
    assert.notEqual(room.pool(subnet, { range: "10.88.0.128/25" }).poolId, poolId);
    assert.equal(pools(), 1);
  });

  test("the daemon's own restart asks for no repetition: everything is still somebody's", () => {
    room.restart();
    assert.throws(() => room.pool(subnet), { code: "FW3010" });
    assert.throws(() => room.address(poolId, { ip: "10.88.0.2" }), { code: "FW3011" });
    assert.equal(room.address(poolId, { name: "cache" }), "10.88.0.4/24");
  });

  test("a second restart of the engine begins anew", () => {
    room.book.beginReplay();
    room.pool(subnet);
    room.gateway(poolId, "10.88.0.1");
    room.book.beginReplay();
    assert.equal(room.pool(subnet).poolId, poolId);
    assert.equal(room.gateway(poolId, "10.88.0.1"), "10.88.0.1/24");
  });
});

describe("after a restart of the engine, a pool of the host's own address", () => {
  let room: BookRoom;

  beforeEach(() => {
    room = new BookRoom();
    room.pool();
    room.registry.putNetwork(hostNetworkOf());
  });

  test("gets the gateway that it had, and so leads to the same network", () => {
    room.book.beginReplay();
    const { poolId } = room.pool("0.0.0.0/0");
    assert.equal(room.gateway(poolId, "169.254.80.1"), "169.254.80.1/32");
    assert.equal(room.address(poolId), "192.0.2.10/32");
    assert.deepEqual(
      room.store.loadPools().pools.map(({ id }) => id),
      [poolId],
      "the old one went",
    );
  });

  test("two of them keep theirs, in whatever order they are repeated", () => {
    room.pool();
    room.registry.putNetwork(hostNetworkOf({}, 2));
    room.book.beginReplay();
    const [second, first] = [room.pool("0.0.0.0/0"), room.pool("0.0.0.0/0")];
    assert.equal(room.gateway(second.poolId, "169.254.80.2"), "169.254.80.2/32");
    assert.equal(room.gateway(first.poolId, "169.254.80.1"), "169.254.80.1/32");
    assert.throws(() => room.gateway(first.poolId, "169.254.80.2"), { code: "FW3010" });
    assert.equal(room.store.loadPools().pools.length, 2);
  });

  test("is the same after the daemon's next start", () => {
    room.book.beginReplay();
    const { poolId } = room.pool("0.0.0.0/0");
    room.gateway(poolId, "169.254.80.1");
    room.restart();
    assert.equal(room.address(poolId), "192.0.2.10/32");
    assert.equal(room.pool().gateway, "169.254.80.2/32");
  });
});

test("after a restart of the engine, gateways of networks that it has forgotten are free for others", () => {
  const room = new BookRoom();
  const [known, forgotten, foreign] = [room.pool(), room.pool(), room.pool()];
  room.registry.putNetwork(hostNetworkOf());
  room.registry.putNetwork(hostNetworkOf({ gatewayIpv4: ip("169.254.80.3"), gatewayIpv6: ip("fe80::fa17:0:3") }, 3));
  room.book.beginReplay();
  const again = room.pool();
  room.gateway(again.poolId, known.gateway?.split("/")[0] ?? "");
  const ids = () => room.store.loadPools().pools.map(({ id }) => id);
  room.address(again.poolId, { ip: "192.0.2.10" });
  assert.ok(ids().includes(forgotten.poolId), "it may be about to be repeated");
  room.address(again.poolId);
  // The network driver knows the third: its network is there.
  assert.deepEqual(ids().sort(), [again.poolId, foreign.poolId].sort());
  assert.equal(room.pool().gateway, forgotten.gateway);
});
