/** Who must not reach whom: networks, neighbours without icc, and machines of the LAN with routes of their own. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { type LanClient, setSysctls } from "../../lab/lan.ts";
import type { Place } from "../../lab/space.ts";
import { type Box, bridgeRig } from "./rig.ts";
import { linkOf, ping } from "./sights.ts";
import { assertVisits } from "./visits.ts";

describe(`isolation with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();
  let attacker: LanClient;

  before(async () => {
    attacker = await rig.lan.client("attacker");
  });
  after(() => attacker.stop());

  test("networks do not see each other, nor each other's gateways, nor Docker's own bridge", async () => {
    const { host } = rig;
    await rig.network("red", "--ipv6", "--subnet", "10.98.1.0/24", "--subnet", "fd98:1::/64");
    await rig.network("blue", "--ipv6", "--subnet", "10.98.2.0/24", "--subnet", "fd98:2::/64");
    await rig.network("inner", "--internal", "--subnet", "10.98.3.0/24");
    const [red, blue, inner, plain] = await Promise.all([
      rig.run("in-red", "red", { args: ["-p", "8080:80"] }),
      rig.run("in-blue", "blue"),
      rig.run("in-inner", "inner"),
      rig.run("in-docker0", "bridge"),
      rig.serveOnHost("tcp:9100", "udp:9100"),
    ]);
    await inner.exec(["ip", "route", "add", "default", "via", "10.98.3.1"]);
    await assertVisits([
      { from: red, to: blue.ipv4 },
      { from: red, to: blue.ipv6 },
      { from: blue, to: red.ipv4 },
      { from: blue, to: red.ipv6 },
      { from: red, to: inner.ipv4 },
      { from: inner, to: red.ipv4 },
      { from: inner, to: rig.ipv4, port: 8080 },
      { from: red, to: plain.ipv4 },
      { from: plain, to: red.ipv4 },
      { from: plain, to: rig.ipv4, port: 8080, meets: red.host },
      { from: red, to: "10.98.1.1", port: 9100, meets: host.name },
      { from: red, to: "fd98:1::1", port: 9100, meets: host.name },
      { from: red, to: "10.98.1.1", port: 9100, over: "udp", meets: host.name },
      { from: red, to: "10.98.2.1", port: 9100 },
      { from: red, to: "fd98:2::1", port: 9100 },
      { from: red, to: "10.98.2.1", port: 9100, over: "udp" },
      { from: red, to: "10.98.3.1", port: 9100 },
    ]);
    assert.deepEqual(
      await Promise.all([blue.ipv4, blue.ipv6, "10.98.2.1", "fd98:2::1", "10.98.1.1"].map((to) => ping(red, to))),
      [false, false, false, false, true],
    );
  });

  test("icc=false: neighbours meet at published ports only, by whatever trick", async () => {
    const { client } = rig;
    await rig.network("quiet", "--ipv6", "--subnet", "10.99.1.0/24", "--subnet", "fd99:1::/64", "-o", "icc=false");
    const [left, right] = await Promise.all([
      rig.run("left", "quiet"),
      rig.run("right", "quiet", { args: ["-p", "8080:80"] }),
      rig.serveOn(client, "tcp:9000"),
    ]);
    const arping = (to: string) => left.tryExec(["busybox", "arping", "-c", "1", "-w", "1", "-I", "eth0", to]);
    assert.equal((await arping("10.99.1.1")).code, 0);
    assert.notEqual((await arping(right.ipv4)).code, 0);
    await assertVisits([
      { from: left, to: right.ipv4 },
      { from: left, to: right.ipv6 },
      { from: left, to: rig.ipv4, port: 8080, meets: right.host },
      { from: left, to: rig.ipv6, port: 8080, meets: right.host },
      { from: right, to: rig.ipv4, port: 8080, meets: right.host },
      { from: left, to: client.ipv4, port: 9000, meets: client.name },
      { from: client, to: rig.ipv4, port: 8080, meets: right.host },
    ]);
    // What a container with NET_ADMIN could try: frames straight to the neighbour, and a detour over the gateway.
    await know(left, right);
    await know(right, left);
    await assertVisits([
      { from: left, to: right.ipv4 },
      { from: left, to: right.ipv6 },
    ]);
    await Promise.all([detour(left, right), detour(right, left)]);
    await assertVisits([
      { from: left, to: right.ipv4 },
      { from: left, to: right.ipv6 },
    ]);
    assert.deepEqual(await Promise.all([ping(left, right.ipv4), ping(left, "10.99.1.1")]), [false, true]);
  });

  test("a machine of the LAN with routes of its own gets to published ports only", async () => {
    const { host } = rig;
    await rig.network("dmz", "--ipv6", "--subnet", "10.99.2.0/24", "--subnet", "fd99:2::/64");
    const web = await rig.run("web", "dmz", {
      args: ["-p", "8080:80", "-p", "127.0.0.1:8083:80"],
      command: ["serve", "80", "81"],
    });
    await attacker.exec(["ip", "route", "add", "10.99.2.0/24", "via", rig.ipv4]);
    await attacker.exec(["ip", "-6", "route", "add", "fd99:2::/64", "via", rig.ipv6]);
    await assertVisits([
      { from: attacker, to: rig.ipv4, port: 8080, meets: web.host, as: attacker.ipv4 },
      { from: attacker, to: rig.ipv6, port: 8080, meets: web.host, as: attacker.ipv6 },
      ...[80, 81, 8080, 8083].flatMap((port) => [
        { from: attacker, to: web.ipv4, port },
        { from: attacker, to: web.ipv6, port },
      ]),
    ]);
    assert.deepEqual(await Promise.all([ping(attacker, web.ipv4), ping(attacker, web.ipv6)]), [false, false]);

    // Worst case: somebody else's program has opened the uplink for loopback addresses, as some do for node ports.
    await setSysctls(host.space, { "net.ipv4.conf.eth0.route_localnet": "1" });
    await rig.serveOnHost("tcp:9200");
    await aimLoopbackAt(attacker, rig.ipv4);
    await assertVisits([
      // The frames do arrive: what listens on the host is reached, which is what that setting asks for.
      { from: attacker, to: "127.0.0.1", port: 9200, sourceAddress: attacker.ipv4, meets: host.name },
      { from: attacker, to: "127.0.0.1", port: 8083, sourceAddress: attacker.ipv4 },
      { from: attacker, to: "127.0.0.1", port: 8080, sourceAddress: attacker.ipv4 },
    ]);
    await setSysctls(host.space, { "net.ipv4.conf.eth0.route_localnet": "0" });
    await assertVisits([{ from: host, to: "127.0.0.1", port: 8083, meets: web.host }]);
  });

  test("a container does not get to what listens on the host's loopback", async () => {
    await rig.network("guarded", "--subnet", "10.99.3.0/24");
    const [box] = await Promise.all([rig.run("box", "guarded"), rig.serveOnHost("tcp:9300")]);
    await assertVisits([{ from: box, to: "10.99.3.1", port: 9300, meets: rig.host.name }]);
    await aimLoopbackAt(box, "10.99.3.1");
    await assertVisits([{ from: box, to: "127.0.0.1", port: 9300, sourceAddress: box.ipv4 }]);
  });

  test("transit traffic to a published number is somebody else's", async () => {
    const { host, client } = rig;
    await rig.network("near", "--ipv6", "--subnet", "10.99.4.0/24", "--subnet", "fd99:4::/64");
    const [web] = await Promise.all([
      rig.run("web", "near", { args: ["-p", "8080:80"] }),
      rig.serveOn(attacker, "tcp:8080"),
    ]);
    const beyond = { ipv4: "198.51.100.7", ipv6: "2001:db8::7" };
    await attacker.exec(["ip", "addr", "add", `${beyond.ipv4}/32`, "dev", "lo"]);
    await attacker.exec(["ip", "addr", "add", `${beyond.ipv6}/128`, "dev", "lo", "nodad"]);
    await setSysctls(client.space, {
      "net.ipv4.conf.eth0.accept_redirects": "0",
      "net.ipv6.conf.eth0.accept_redirects": "0",
    });
    await client.exec(["ip", "route", "add", beyond.ipv4, "via", rig.ipv4]);
    await client.exec(["ip", "-6", "route", "add", beyond.ipv6, "via", rig.ipv6]);
    await host.exec(["ip", "route", "add", beyond.ipv4, "via", attacker.ipv4]);
    await host.exec(["ip", "-6", "route", "add", beyond.ipv6, "via", attacker.ipv6]);
    const letTransitPass = (action: string) =>
      Promise.all([
        host.execInRoot(["iptables", "-w", "5", action, "FORWARD", "-i", "eth0", "-o", "eth0", "-j", "ACCEPT"]),
        host.execInRoot(["ip6tables", "-w", "5", action, "FORWARD", "-i", "eth0", "-o", "eth0", "-j", "ACCEPT"]),
      ]);
    await letTransitPass("-I");
    try {
      await assertVisits([
        { from: client, to: beyond.ipv4, port: 8080, meets: attacker.name, as: client.ipv4 },
        { from: client, to: beyond.ipv6, port: 8080, meets: attacker.name, as: client.ipv6 },
        { from: web, to: beyond.ipv4, port: 8080, meets: attacker.name, as: rig.ipv4 },
        { from: client, to: rig.ipv4, port: 8080, meets: web.host },
      ]);
    } finally {
      await letTransitPass("-D");
      await host.exec(["ip", "route", "del", beyond.ipv4]);
      await host.exec(["ip", "-6", "route", "del", beyond.ipv6]);
    }
  });
});

/** Sends what is for 127.0.0.1 out of eth0 instead of to itself. */
async function aimLoopbackAt(place: Place, gateway: string): Promise<void> {
  await place.exec(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet"]);
  await place.exec(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"]);
  await place.exec(["ip", "route", "add", "127.0.0.0/8", "via", gateway]);
}

async function know(from: Box, to: Box): Promise<void> {
  const { address } = await linkOf(to, "eth0");
  for (const ip of [to.ipv4, to.ipv6]) {
    await from.exec(["ip", "neigh", "replace", ip, "lladdr", address, "dev", "eth0", "nud", "permanent"]);
  }
}

async function detour(from: Box, to: Box): Promise<void> {
  await from.exec(["ip", "route", "add", to.ipv4, "via", "10.99.1.1"]);
  await from.exec(["ip", "-6", "route", "add", to.ipv6, "via", "fd99:1::1"]);
}
