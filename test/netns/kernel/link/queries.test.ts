import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { isolatedLinkGroup, linkGroup, reapGroup } from "../../../../src/plan/names.ts";
import { Sandbox } from "../sandbox.ts";
import { bridgeSpec, ifName, ip, ipBatch, links, reaperTransport, transport, vethSpec } from "./rig.ts";

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
    { name: "fwb1", alias: "fairway:network:fwb1", kind: "bridge", peerIsHome: false },
    { name: "fwv1", alias: "fairway:endpoint:1", kind: "veth", peerIsHome: true },
    { name: "up1", alias: "", kind: "bridge", peerIsHome: false },
  ]);
});

test("the peer of a pair is at home until it moves into a sandbox, and again when it comes back", async () => {
  await using sandbox = await Sandbox.open();
  await links.ensureBridge(bridgeSpec("fwb1"));
  await links.addVeth(vethSpec(1, "fwb1"));
  const isHome = async (): Promise<boolean | undefined> =>
    (await links.listOwned()).find(({ name }) => name === "fwv1")?.peerIsHome;
  assert.equal(await isHome(), true);
  ip(`link set fwc1 netns ${sandbox.pid}`);
  assert.equal(await isHome(), false);
  await sandbox.ip("link set fwc1 name eth0", "link set eth0 up");
  assert.equal(await isHome(), false);
  await sandbox.ip("link set eth0 down", `link set eth0 netns ${process.pid}`);
  assert.equal(await isHome(), true);
});

test("a link is present or not, by its name", async () => {
  assert.equal(await links.isPresent(ifName("fwb1")), false);
  await links.ensureBridge(bridgeSpec("fwb1"));
  ip("link add up0 type veth peer name up0p");
  assert.equal(await links.isPresent(ifName("fwb1")), true);
  assert.equal(await links.isPresent(ifName("up0")), true);
  assert.equal(await links.isPresent(ifName("fwb")), false);
  ip("link set fwb1 name up1");
  assert.equal(await links.isPresent(ifName("fwb1")), false);
});

test("somebody else's link is described; one of ours, and no link, are nobody's", async () => {
  assert.equal(await links.foreignLink(ifName("fwb1")), undefined);
  await links.ensureBridge(bridgeSpec("fwb1"));
  await links.addVeth(vethSpec(1, "fwb1", { group: isolatedLinkGroup }));
  assert.equal(await links.foreignLink(ifName("fwb1")), undefined);
  assert.equal(await links.foreignLink(ifName("fwv1")), undefined);
  // An earlier run had begun to delete it.
  ip(`link set fwv1 group ${reapGroup}`);
  assert.equal(await links.foreignLink(ifName("fwv1")), undefined);
  ip("link add up0 type veth peer name up0p");
  assert.equal(await links.foreignLink(ifName("up0")), "a veth interface");
  // The group is our mark; an alias is easily given.
  ip("link set up0 alias fairway:network:up0");
  assert.equal(await links.foreignLink(ifName("up0")), 'a veth interface with the alias "fairway:network:up0"');
  assert.equal(await links.foreignLink(ifName("lo")), "a hardware interface");
});

test("without a default route the uplink has no MTU", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  assert.equal((await links.uplink())?.mtuBytes, undefined);
  assert.equal((await links.uplink())?.name, undefined);
});

test("the default route with the lowest metric is the uplink", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  addUplink("up1", 1380, ["198.51.100.1/24", "2001:db8::1/64"]);
  ip("route add default via 192.0.2.254 metric 200");
  assert.equal((await links.uplink())?.mtuBytes, 1450);
  ip("route add default via 198.51.100.254 metric 100");
  assert.equal((await links.uplink())?.mtuBytes, 1380);
  assert.equal((await links.uplink())?.name, "up1");
});

test("an IPv6 default route counts without an IPv4 one", async () => {
  addUplink("up0", 1450, ["192.0.2.1/24"]);
  addUplink("up1", 1380, ["2001:db8::1/64"]);
  ip("-6 route add default via 2001:db8::fe dev up1");
  assert.equal((await links.uplink())?.mtuBytes, 1380);
  ip("route add default via 192.0.2.254 metric 5000");
  assert.equal((await links.uplink())?.mtuBytes, 1450);
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
      { family: "ipv4", priority: 100, onLink: false, device: "up0" },
      { family: "ipv4", destination: "10.20.0.0/16", priority: 0, onLink: false, device: "up0" },
      { family: "ipv4", destination: "192.0.2.0/24", priority: 0, onLink: true, device: "up0" },
      { family: "ipv6", destination: "2001:db8::/64", priority: 256, onLink: true, device: "up0" },
      { family: "ipv6", destination: "2001:db8:5::/48", priority: 1024, onLink: false, device: "up0" },
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
