import "../isolation.ts";
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { waitFor } from "../../../lab/wait.ts";
import { bridgeSpec, ifName, ip, ipBatch, links, reaperTransport, transport } from "./rig.ts";

after(async () => {
  await transport[Symbol.asyncDispose]();
  await reaperTransport[Symbol.asyncDispose]();
});

afterEach(() => {
  for (const name of ["up0", "up1", "fwb1"]) {
    try {
      ip(`link delete ${name}`);
    } catch {
      // Not every test has it.
    }
  }
});

function addDevice(name: string, ...addresses: readonly string[]): void {
  ipBatch([
    `link add ${name} type veth peer name ${name}p`,
    ...addresses.map((address) => `address add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`),
    `link set ${name}p up`,
    `link set ${name} up`,
  ]);
}

async function addressesOf(device?: string): Promise<string[]> {
  return (await links.hostAddresses(device)).map((at) => `${at.device} ${at.address}`);
}

test("a host without addresses has none, and its loopback is none", async () => {
  ip("address add 198.51.100.1/32 dev lo");
  assert.deepEqual(await addressesOf(), []);
  assert.deepEqual(await addressesOf("nosuch"), []);
  ip("address del 198.51.100.1/32 dev lo");
});

test("an address on lo is one when lo is asked for by name", async () => {
  ip("address add 198.51.100.1/32 dev lo");
  assert.deepEqual(await addressesOf("lo"), ["lo 198.51.100.1"]);
  ip("address del 198.51.100.1/32 dev lo");
});

test("of all devices, or of one, in the kernel's order, IPv4 first", async () => {
  addDevice("up0", "2001:db8::10/64", "192.0.2.10/24", "198.51.100.9/24");
  addDevice("up1", "203.0.113.1/32", "2001:db8:1::1/128");
  assert.deepEqual(await addressesOf(), [
    "up0 192.0.2.10",
    "up0 198.51.100.9",
    "up1 203.0.113.1",
    "up0 2001:db8::10",
    "up1 2001:db8:1::1",
  ]);
  assert.deepEqual(await addressesOf("up1"), ["up1 203.0.113.1", "up1 2001:db8:1::1"]);
});

test("a second address of a subnet comes behind the first one of every other", async () => {
  addDevice("up0", "192.0.2.10/24", "192.0.2.11/24", "198.51.100.9/24");
  assert.deepEqual(await addressesOf("up0"), ["up0 192.0.2.10", "up0 198.51.100.9", "up0 192.0.2.11"]);
});

test("with a peer it is the host's own end that counts", async () => {
  addDevice("up0");
  ip("address add 192.0.2.10 peer 192.0.2.20/32 dev up0");
  ip("address add 2001:db8::10 peer 2001:db8::20/128 dev up0 nodad");
  assert.deepEqual(await addressesOf(), ["up0 192.0.2.10", "up0 2001:db8::10"]);
});

test("addresses of a link, and such as must not be used, do not count", async () => {
  addDevice("up0", "fe80::1/64");
  ipBatch([
    "address add 169.254.80.1/32 dev up0 scope link",
    "address add 192.0.2.10/24 dev up0 scope host",
    "address add 2001:db8::20/64 dev up0 nodad preferred_lft 0 valid_lft 3600",
    "address add 198.51.100.3/24 dev up0 preferred_lft 0 valid_lft 3600",
  ]);
  assert.deepEqual(await addressesOf(), []);
});

test("an IPv6 address counts from when it is sure that nobody else has it", async () => {
  addDevice("up0");
  ip("address add 2001:db8::10/64 dev up0");
  // Detection takes a second, in which the address is there but not to be used.
  assert.match(ip("-6 address show dev up0"), /tentative/);
  assert.deepEqual(await addressesOf(), []);
  await waitFor(async () => (await addressesOf()).includes("up0 2001:db8::10"), 10_000, "the end of the detection");
});

test("a device that is down keeps its addresses of IPv4", async () => {
  addDevice("up0", "192.0.2.10/24");
  ip("link set up0 down");
  assert.deepEqual(await addressesOf(), ["up0 192.0.2.10"]);
});

test("an address of a bridge of ours is one of the host, too", async () => {
  await links.ensureBridge(bridgeSpec("fwb1"));
  assert.deepEqual(await addressesOf("fwb1"), ["fwb1 10.9.0.1", "fwb1 fd00:9::1"]);
});

test("many addresses are all there", async () => {
  const addresses = Array.from({ length: 600 }, (_, index) => `10.20.${index >> 8}.${index & 255}/32`);
  addDevice("up0", ...addresses);
  assert.equal((await addressesOf("up0")).length, addresses.length);
});

test("a device has an MTU, and one that is not there has none", async () => {
  addDevice("up0");
  ip("link set up0 mtu 1410");
  assert.equal(await links.mtuBytes(ifName("up0")), 1410);
  assert.equal(await links.mtuBytes("nosuch"), undefined);
});
