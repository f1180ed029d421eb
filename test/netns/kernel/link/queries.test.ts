import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { linkGroup } from "../../../../src/plan/names.ts";
import { bridgeSpec, ip, ipBatch, links, reaperTransport, transport, vethSpec } from "./rig.ts";

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

function addUplink(name: string, mtu: number, addresses: readonly string[]): void {
  ip(`link add ${name} mtu ${mtu} type veth peer name ${name}p`);
  for (const address of addresses) {
    ip(`address add ${address} dev ${name} nodad`);
  }
  ip(`link set ${name}p up`);
  ip(`link set ${name} up`);
}

test("owned are the links with our alias, and those with our group and none", async () => {
  await links.ensureBridge(bridgeSpec("fwb1"));
  await links.addVeth(vethSpec(1, "fwb1"));
  ip("link add up0 type veth peer name up0p");
  ip("link set up0 alias not-fairway:x");
  ip(`link set up0 group ${linkGroup}`);
  ip(`link add up1 group ${linkGroup} type bridge`);
  const owned = [...(await links.listOwned())].sort((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(owned, [
    { name: "fwb1", alias: "fairway:network:fwb1", kind: "bridge" },
    { name: "fwv1", alias: "fairway:endpoint:1", kind: "veth" },
    { name: "up1", alias: "", kind: "bridge" },
  ]);
});

test("without a default route the uplink has no MTU", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  assert.equal(await links.uplinkMtuBytes(), undefined);
  assert.equal(await links.uplinkName(), undefined);
});

test("the default route with the lowest metric is the uplink", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  addUplink("up1", 1380, ["198.51.100.1/24", "2001:db8::1/64"]);
  ip("route add default via 192.0.2.254 metric 200");
  assert.equal(await links.uplinkMtuBytes(), 1450);
  ip("route add default via 198.51.100.254 metric 100");
  assert.equal(await links.uplinkMtuBytes(), 1380);
  assert.equal(await links.uplinkName(), "up1");
});

test("an IPv6 default route counts without an IPv4 one", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  addUplink("up1", 1380, ["2001:db8::1/64"]);
  ip("-6 route add default via 2001:db8::fe dev up1");
  assert.equal(await links.uplinkMtuBytes(), 1380);
  ip("route add default via 192.0.2.254 metric 5000");
  assert.equal(await links.uplinkMtuBytes(), 1450);
});

test("the routes of both families, without other tables", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24", "2001:db8::1/64"]);
  ip("route add default via 192.0.2.254 metric 100");
  ip("route add 10.20.0.0/16 via 192.0.2.254");
  ip("route add 10.50.0.0/16 dev up0 table 1000");
  ip("route add unreachable 10.60.0.0/16");
  ip("-6 route add 2001:db8:5::/48 via 2001:db8::fe");
  const routes = (await links.listRoutes()).filter(({ device }) => device === "up0");
  assert.deepEqual(
    routes.filter(({ destination }) => destination !== "fe80::/64"),
    [
      { priority: 100, onLink: false, device: "up0" },
      { destination: "10.20.0.0/16", priority: 0, onLink: false, device: "up0" },
      { destination: "192.0.2.0/24", priority: 0, onLink: true, device: "up0" },
      { destination: "2001:db8::/64", priority: 256, onLink: true, device: "up0" },
      { destination: "2001:db8:5::/48", priority: 1024, onLink: false, device: "up0" },
    ],
  );
  ip("route del unreachable 10.60.0.0/16");
});

test("a dump of many datagrams is complete", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `many${index}`);
  ipBatch(names.map((name) => `link add ${name} group ${linkGroup} type veth peer name ${name}p`));
  const owned = new Set((await links.listOwned()).map(({ name }) => name));
  assert.deepEqual(
    names.filter((name) => !owned.has(name)),
    [],
  );
  ip(`link delete group ${linkGroup}`);
});
