/** Subnets, gateways, MTU and address families, as containers and the LAN see them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { Place } from "../../lab/space.ts";
import { type Box, bridgeRig } from "./rig.ts";
import { addressesOn, bridgeOf, defaultRoutes, linkOf, ping, resolve } from "./sights.ts";
import { assertVisits } from "./visits.ts";

const engine = engineUnderTest();
/** Engines before 28 give every network an IPv4 subnet. */
const hasIpv6Only = engine === "28.5";

describe(`bridge networks with engine ${engine}`, () => {
  const rig = bridgeRig();

  test("one line is enough: subnet, gateway, names, a way out and in", async () => {
    const { host, client } = rig;
    await rig.network("plain");
    const [a, b] = await Promise.all([
      rig.run("alpha", "plain", { args: ["-p", "8080:80"] }),
      rig.run("beta", "plain"),
      rig.serveOn(client, "tcp:9000", "udp:9000"),
    ]);
    const gateway = await host.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "plain");
    assert.deepEqual(await defaultRoutes(a), [`default via ${gateway} dev eth0`]);
    assert.deepEqual(await addressesOn(host, await bridgeOf(host, "plain")), [`${gateway}/16`]);
    assert.match(await bridgeOf(host, "plain"), /^fwb[0-9a-f]{12}$/);
    assert.equal((await linkOf(a, "eth0")).mtu, 1500);
    assert.deepEqual(await resolve(a, "beta"), [b.ipv4]);
    await assertVisits([
      { from: a, to: b.ipv4, meets: b.host, as: a.ipv4 },
      { from: b, to: a.ipv4, meets: a.host, as: b.ipv4 },
      { from: host, to: a.ipv4, meets: a.host },
      { from: a, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
      { from: a, to: client.ipv4, port: 9000, over: "udp", meets: client.name, as: rig.ipv4 },
      { from: client, to: rig.ipv4, port: 8080, meets: a.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, port: 8080 },
    ]);
    // The port is published for IPv4; without IPv6 in the network nothing may answer there, not even the bridge.
    assert.deepEqual(
      (await addressesOn(host, await bridgeOf(host, "plain"))).filter((address) => address.includes(":")),
      [],
    );
  });

  test("given subnets of both families, gateways and reserved addresses", async () => {
    const { host, client } = rig;
    await rig.network(
      "given",
      ...["--ipv6", "--subnet", "10.90.0.0/24", "--gateway", "10.90.0.254", "--aux-address", "printer=10.90.0.2"],
      ...["--subnet", "fd90::/64", "--gateway", "fd90::ff", "--aux-address", "scanner=fd90::2"],
    );
    assert.deepEqual(await addressesOn(host, await bridgeOf(host, "given")), ["10.90.0.254/24", "fd90::ff/64"]);
    const a = await rig.run("alpha", "given", { args: ["-p", "8080:80"] });
    const b = await rig.run("beta", "given");
    await rig.serveOn(client, "tcp:9000", "udp:9000");
    for (const box of [a, b]) {
      assert.ok(!["10.90.0.2", "10.90.0.254"].includes(box.ipv4), box.ipv4);
      assert.ok(!["fd90::2", "fd90::ff"].includes(box.ipv6), box.ipv6);
      assert.deepEqual(await defaultRoutes(box), ["default via 10.90.0.254 dev eth0", "default via fd90::ff dev eth0"]);
    }
    await assertVisits([
      { from: a, to: b.ipv4, meets: b.host, as: a.ipv4 },
      { from: a, to: b.ipv6, meets: b.host, as: a.ipv6 },
      { from: b, to: client.ipv6, port: 9000, meets: client.name, as: rig.ipv6 },
      { from: b, to: client.ipv6, port: 9000, over: "udp", meets: client.name, as: rig.ipv6 },
      { from: client, to: rig.ipv4, port: 8080, meets: a.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, port: 8080, meets: a.host, as: client.ipv6 },
    ]);
  });

  test("two IPv4 subnets on one network", async () => {
    const { host, client } = rig;
    await rig.network(
      "wide",
      ...["--subnet", "10.91.1.0/24", "--subnet", "10.91.2.0/24", "--gateway", "10.91.1.1", "--gateway", "10.91.2.9"],
    );
    assert.deepEqual(await addressesOn(host, await bridgeOf(host, "wide")), ["10.91.1.1/24", "10.91.2.9/24"]);
    const [a, b] = await Promise.all([
      rig.run("alpha", "wide", { args: ["--ip", "10.91.1.5", "-p", "8080:80"] }),
      rig.run("beta", "wide", { args: ["--ip", "10.91.2.5", "-p", "8081:80"] }),
      rig.serveOn(client, "tcp:9000"),
    ]);
    assert.deepEqual([await defaultRoutes(a), await defaultRoutes(b)].flat(), [
      "default via 10.91.1.1 dev eth0",
      "default via 10.91.2.9 dev eth0",
    ]);
    await assertVisits([
      { from: a, to: "10.91.2.5", meets: b.host, as: "10.91.1.5" },
      { from: b, to: "10.91.1.5", meets: a.host, as: "10.91.2.5" },
      { from: b, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
      { from: client, to: rig.ipv4, port: 8081, meets: b.host, as: client.ipv4 },
      { from: b, to: rig.ipv4, port: 8080, meets: a.host },
    ]);
  });

  test("IPv6 alone: outbound and published", { skip: !hasIpv6Only && "this engine has no --ipv4=false" }, async () => {
    const { host, client } = rig;
    await rig.network("six", "--ipv4=false", "--ipv6", "--subnet", "fd96::/64");
    const [a, b] = await Promise.all([
      rig.run("alpha", "six", { args: ["-p", "8080:80"] }),
      rig.run("beta", "six"),
      rig.serveOn(client, "tcp:9000", "udp:9000"),
    ]);
    assert.deepEqual(await addressesOn(host, await bridgeOf(host, "six")), ["fd96::1/64"]);
    assert.deepEqual(await defaultRoutes(a), ["default via fd96::1 dev eth0"]);
    assert.equal(a.ipv4, "");
    assert.deepEqual(await resolve(a, "beta"), [b.ipv6]);
    await assertVisits([
      { from: a, to: b.ipv6, meets: b.host, as: a.ipv6 },
      { from: a, to: client.ipv6, port: 9000, meets: client.name, as: rig.ipv6 },
      { from: a, to: client.ipv6, port: 9000, over: "udp", meets: client.name, as: rig.ipv6 },
      { from: client, to: rig.ipv6, port: 8080, meets: a.host, as: client.ipv6 },
      { from: b, to: rig.ipv6, port: 8080, meets: a.host },
      { from: client, to: rig.ipv4, port: 8080 },
    ]);
    const refusal = await host.dockerFails("run", "--network", "six", "-p", "127.0.0.1:81:80", "fairway-test:1");
    assert.match(refusal, /the container has no IPv4 address/);
  });

  test("MTU: the uplink's or the option's, kept by real packets", async () => {
    const { host } = rig;
    await host.exec(["ip", "link", "set", "eth0", "mtu", "1450"]);
    try {
      await rig.network("as-uplink", "--ipv6", "--subnet", "fd9a::/64");
    } finally {
      await host.exec(["ip", "link", "set", "eth0", "mtu", "1500"]);
    }
    await rig.network("jumbo", "-o", "mtu=9000", "--ipv6", "--subnet", "fd9b::/64");
    for (const [network, mtu] of [
      ["as-uplink", 1450],
      ["jumbo", 9000],
    ] as const) {
      const [a, b] = await Promise.all([rig.run(`${network}-a`, network), rig.run(`${network}-b`, network)]);
      assert.deepEqual(
        [(await linkOf(a, "eth0")).mtu, (await linkOf(host, await bridgeOf(host, network))).mtu],
        [mtu, mtu],
      );
      assert.deepEqual(await fragmentsOfEchoes(a, b, mtu), [0, 2, 0, 2], `packets of ${mtu} and ${mtu + 1} bytes`);
    }
  });

  test("internal: neighbours and names, no way out, no way in", async () => {
    const { host, client } = rig;
    await rig.network("inner", "--internal", "--ipv6", "--subnet", "10.92.0.0/24", "--subnet", "fd92::/64");
    const [a, b] = await Promise.all([
      rig.run("alpha", "inner", { args: ["-p", "8080:80"] }),
      rig.run("beta", "inner"),
      rig.serveOn(client, "tcp:9000", "udp:9000"),
    ]);
    assert.deepEqual(await defaultRoutes(a), []);
    assert.deepEqual(await interfaces(a), ["eth0", "lo"]);
    assert.doesNotMatch(await host.docker("network", "ls"), /docker_gwbridge/);
    assert.deepEqual(await resolve(a, "beta"), [b.ipv4, b.ipv6]);
    // Routes that a container with NET_ADMIN could make for itself, and those of a neighbour of the host.
    await a.exec(["ip", "route", "add", "default", "via", "10.92.0.1"]);
    await a.exec(["ip", "-6", "route", "add", "default", "via", "fd92::1"]);
    await client.exec(["ip", "route", "add", "10.92.0.0/24", "via", rig.ipv4]);
    await client.exec(["ip", "-6", "route", "add", "fd92::/64", "via", rig.ipv6]);
    await assertVisits([
      { from: a, to: b.ipv4, meets: b.host, as: a.ipv4 },
      { from: a, to: b.ipv6, meets: b.host, as: a.ipv6 },
      { from: a, to: client.ipv4, port: 9000 },
      { from: a, to: client.ipv6, port: 9000 },
      { from: a, to: client.ipv4, port: 9000, over: "udp" },
      { from: client, to: a.ipv4 },
      { from: client, to: a.ipv6 },
      { from: client, to: rig.ipv4, port: 8080 },
      { from: client, to: rig.ipv6, port: 8080 },
    ]);
    assert.deepEqual(await Promise.all([ping(a, client.ipv4), ping(a, client.ipv6)]), [false, false]);
  });
});

/** Fragments that packets of just this size, and of one byte more, are sent in: IPv4, then IPv6. */
async function fragmentsOfEchoes(from: Place, to: Box, mtu: number): Promise<number[]> {
  const found: number[] = [];
  for (const [address, headerBytes] of [
    [to.ipv4, 28],
    [to.ipv6, 48],
  ] as const) {
    for (const bytes of [mtu, mtu + 1]) {
      const before = await fragmentsSent(from);
      assert.ok(await ping(from, address, bytes - headerBytes), `${bytes} bytes to ${address}`);
      found.push((await fragmentsSent(from)) - before);
    }
  }
  return found;
}

/** FragCreates of proc(5) /proc/net/snmp, and Ip6FragCreates of snmp6. */
async function fragmentsSent(place: Place): Promise<number> {
  const [ipv4, ipv6] = await Promise.all(["snmp", "snmp6"].map((file) => place.exec(["cat", `/proc/net/${file}`])));
  const [names = [], values = []] = (ipv4 ?? "").split("\n").map((line) => line.split(" "));
  const count = values[names.indexOf("FragCreates")];
  const count6 = /^Ip6FragCreates\s+(\d+)$/m.exec(ipv6 ?? "")?.[1];
  assert.ok(count !== undefined && count6 !== undefined);
  return Number(count) + Number(count6);
}

async function interfaces(place: Place): Promise<string[]> {
  const links = JSON.parse(await place.exec(["ip", "-j", "link"])) as { readonly ifname: string }[];
  return links.map(({ ifname }) => ifname).sort();
}
