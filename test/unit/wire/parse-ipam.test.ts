/** Contents as engines 20.10, 26.1 and 28.5 send them, and what none of them would. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddressRelease, parseAddressRequest, parsePoolRequest } from "../../../src/wire/parse-ipam.ts";
import { renderPool } from "../../../src/wire/render.ts";
import { AddressOnly, PoolOnly, RequestAddress, RequestPool, understand } from "../../../src/wire/schemas.ts";
import { ip } from "../../fakes/requests.ts";

const pool = (content: object | null) => parsePoolRequest(understand(RequestPool, content));
const address = (content: object | null) => parseAddressRequest(understand(RequestAddress, content));
const release = (content: object) => parseAddressRelease(understand(AddressOnly, content));
const poolId = "fairway/10.68.0.0/24/0123456789ab";

test("a pool without a subnet: the engine sends empty text", () => {
  const nothing = { ipv6: false, options: new Map() };
  assert.deepEqual(pool({ AddressSpace: "fairway", Pool: "", SubPool: "", Options: {}, V6: false }), nothing);
  assert.deepEqual(pool({ Options: null }), nothing);
  assert.deepEqual(pool({}), nothing);
  assert.deepEqual(pool({ Pool: "", V6: true }), { ...nothing, ipv6: true });
});

test("a pool with subnet, range and options", () => {
  const content = { Pool: "10.68.0.7/24", SubPool: "10.68.0.128/25", Options: { block: "26" }, V6: false };
  assert.deepEqual(pool(content), {
    subnet: "10.68.0.0/24",
    range: "10.68.0.128/25",
    ipv6: false,
    options: new Map([["block", "26"]]),
  });
  assert.equal(pool({ Pool: "FD00:0::/64", V6: true }).subnet, "fd00::/64");
});

test("any address, one that was asked for, a gateway", () => {
  const any = { poolId, isGateway: false };
  assert.deepEqual(address({ PoolID: poolId, Address: "", Options: null }), any);
  assert.deepEqual(address({ PoolID: poolId, Address: "", Options: {} }), any);
  assert.deepEqual(address({ PoolID: poolId, Address: "10.68.0.9" }), { ...any, address: "10.68.0.9" });
  const Options = { RequestAddressType: "com.docker.network.gateway" };
  assert.deepEqual(address({ PoolID: poolId, Address: "", Options }), { poolId, isGateway: true });
  assert.equal(address({ PoolID: poolId, Options: { RequestAddressType: "else" } }).isGateway, false);
});

test("who wants the address, where the engine tells it", () => {
  const Options = {
    "com.docker.network.endpoint.name": "web",
    "com.docker.network.endpoint.macaddress": "02:42:AC-11-00-02".replaceAll("-", ":"),
  };
  assert.deepEqual(address({ PoolID: poolId, Options }), {
    poolId,
    isGateway: false,
    name: "web",
    mac: "02:42:ac:11:00:02",
  });
  const empty = Object.fromEntries(Object.keys(Options).map((key) => [key, ""]));
  assert.deepEqual(address({ PoolID: poolId, Options: empty }), { poolId, isGateway: false });
});

test("a release names pool and address", () => {
  assert.deepEqual(release({ PoolID: poolId, Address: "FD00::0:2" }), { poolId, address: "fd00::2" });
});

const wrong: [string, () => unknown, string, RegExp][] = [
  ["a subnet that is none", () => pool({ Pool: "10.68.0.0/33" }), "FW3003", /^subnet "10\.68\.0\.0\/33"/],
  ["a subnet without a length", () => pool({ Pool: "10.68.0.0" }), "FW3003", /^subnet /],
  ["a range that is none", () => pool({ Pool: "10.68.0.0/24", SubPool: "x" }), "FW3003", /^range "x"/],
  ["a subnet of another type", () => pool({ Pool: 7 }), "FW5001", /^request field "Pool"/],
  ["V6 as text", () => pool({ V6: "true" }), "FW5001", /^request field "V6"/],
  ["options as a list", () => pool({ Options: ["block"] }), "FW5001", /^request field "Options"/],
  ["an address with a length", () => address({ Address: "10.68.0.2/24" }), "FW3003", /^address /],
  ["an address with leading zeros", () => address({ Address: "10.68.0.02" }), "FW3003", /^address "10\.68\.0\.02"/],
  [
    "a MAC address of a group",
    () => address({ Options: { "com.docker.network.endpoint.macaddress": "01:00:5e:00:00:01" } }),
    "FW1002",
    /01:00:5e/,
  ],
  ["a release without an address", () => release({ PoolID: poolId }), "FW3003", /^address ""/],
  ["a pool's name that is no text", () => understand(PoolOnly, { PoolID: null, poolid: 7 }), "FW5001", /"PoolID"/],
];
for (const [name, action, code, message] of wrong) {
  test(`${name} is refused with ${code}`, () => {
    assert.throws(action, { code, message });
  });
}

test("a pool's answer names a gateway only where fairway has chosen it", () => {
  const subnet = pool({ Pool: "10.68.0.0/24" }).subnet;
  assert.ok(subnet !== undefined);
  assert.deepEqual(renderPool({ poolId, subnet }), { PoolID: poolId, Pool: "10.68.0.0/24", Data: {} });
  const shared = renderPool({ poolId, subnet, gateway: `${ip("169.254.80.1")}/32` as never });
  assert.deepEqual(shared.Data, { "com.docker.network.gateway": "169.254.80.1/32" });
});
