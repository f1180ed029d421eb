/** Mode host: the container has the host's address, and nothing else of the host. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { setSysctls } from "../../lab/lan.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import type { Place } from "../../lab/space.ts";
import { bridgeRig } from "../bridge/rig.ts";
import { ping } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];
const STRANGER = { ipv4: "10.222.0.99", ipv6: "fd00:222::99" };
const LOCAL_PORT = 9100;

describe(`isolation of mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("the host's interfaces, loopback services, packets and other addresses are out of reach", async () => {
    const { host, client } = rig;
    await host.exec(["ip", "address", "add", "10.222.0.202/24", "dev", "eth0"]);
    try {
      await rig.network("web", ...HOST);
      const box = await rig.run("box", "web", { args: ["--expose", "80"] });
      await rig.spawnOnHost([process.execPath, "-e", localServer(LOCAL_PORT)]);
      await rig.serveOnHost("tcp:9101");
      const links = JSON.parse(await box.exec(["ip", "-j", "link"])) as { ifname: string }[];
      assert.deepEqual(links.map(({ ifname }) => ifname).sort(), ["eth0", "lo"]);
      assert.match(await bind(box, "10.222.0.202"), /EADDRNOTAVAIL/);
      assert.equal(await bind(box, rig.ipv4), "");
      const visits: Visit[] = [
        { from: host, to: "127.0.0.1", port: LOCAL_PORT, meets: host.name },
        { from: box, to: "127.0.0.1", port: LOCAL_PORT },
        { from: box, to: "::1", port: LOCAL_PORT },
        { from: box, to: rig.ipv4, port: LOCAL_PORT },
        { from: box, to: "10.222.0.202", port: 9101, meets: host.name },
      ];
      await assertVisits(visits);
      // Packets of the host and of others must not come by.
      const before = await received(box);
      await assertVisits([
        { from: client, to: rig.ipv4, port: 9101, meets: host.name },
        { from: host, to: rig.ipv4, port: 9101, meets: host.name },
      ]);
      assert.ok((await received(box)) - before <= 2, "the container receives what is not for it");
    } finally {
      await host.exec(["ip", "address", "del", "10.222.0.202/24", "dev", "eth0"]);
    }
  });

  test("a container with NET_ADMIN cannot call with an address that is not its own", async () => {
    const { client, host } = rig;
    await rig.network("web", ...HOST);
    await rig.network("town", "--ipv6", "--subnet", "10.96.0.0/24", "--subnet", "fd96::/64");
    const box = await rig.run("box", "web", { args: ["--cap-add", "NET_ADMIN", "--expose", "80"] });
    const other = await rig.run("other", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 });
    const inTown = await rig.run("in-town", "town");
    await rig.serveOn(client, "tcp:9000", "udp:9000");
    const otherStandIns = (await snapshotOurs(host)).routes;
    assert.equal(otherStandIns.length, 4);
    for (const address of [STRANGER.ipv4, STRANGER.ipv6, inTown.ipv4, inTown.ipv6, ...otherStandIns]) {
      await box.exec(["ip", "address", "add", address, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
    }
    const to = (address: string) => (address.includes(":") ? client.ipv6 : client.ipv4);
    const forged = [STRANGER.ipv4, STRANGER.ipv6, inTown.ipv4, inTown.ipv6, ...otherStandIns].flatMap(
      (sourceAddress): Visit[] => [
        { from: box, to: to(sourceAddress), port: 9000, sourceAddress },
        { from: box, to: to(sourceAddress), port: 9000, over: "udp", sourceAddress },
      ],
    );
    // Answers to a forged source would not arrive here: whether anything was sent is what the client counts.
    const before = await datagrams(client);
    await assertVisits(forged);
    assert.equal(await datagrams(client), before, "a forged datagram arrived");
    await assertVisits([
      { from: box, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
      { from: box, to: client.ipv6, port: 9000, meets: client.name, as: rig.ipv6 },
      { from: client, to: rig.ipv4, port: 81, meets: other.host },
    ]);
  });

  test("stand-in addresses and bridge networks are no way in", async () => {
    const { client, host } = rig;
    await rig.network("web", ...HOST);
    await rig.network("town", "--ipv6", "--subnet", "10.96.0.0/24", "--subnet", "fd96::/64");
    const box = await rig.run("box", "web", { args: ["--expose", "80"], command: ["serve", "80-81"] });
    const inTown = await rig.run("in-town", "town");
    const standIns = (await snapshotOurs(host)).routes;
    const via = (address: string) => (address.includes(":") ? rig.ipv6 : rig.ipv4);
    await setSysctls(client.space, { "net.ipv6.conf.all.forwarding": "0" });
    try {
      for (const address of standIns) {
        await client.exec(["ip", "route", "add", address, "via", via(address)]);
      }
      await client.exec(["ip", "route", "add", "10.96.0.0/24", "via", rig.ipv4]);
      await assertVisits([
        ...standIns.flatMap((to): Visit[] => [
          { from: client, to, port: 80 },
          { from: client, to, port: 81 },
          { from: inTown, to, port: 80 },
          { from: inTown, to, port: 81 },
        ]),
        { from: client, to: inTown.ipv4 },
        { from: box, to: inTown.ipv4 },
        { from: box, to: inTown.ipv6 },
        { from: client, to: rig.ipv4, port: 81 },
        { from: inTown, to: rig.ipv4, port: 81 },
        { from: inTown, to: rig.ipv4, port: 80, meets: box.host },
      ]);
      assert.deepEqual(
        await Promise.all(standIns.flatMap((to) => [ping(client, to), ping(inTown, to)])),
        standIns.flatMap(() => [false, false]),
      );
    } finally {
      for (const address of standIns) {
        await client.exec(["ip", "route", "del", address]);
      }
      await client.exec(["ip", "route", "del", "10.96.0.0/24"]);
    }
  });

  async function bind(from: Place, address: string): Promise<string> {
    const open = `require("node:net").createServer().listen(9102, "${address}", () => process.exit())`;
    return (await from.tryExec([process.execPath, "-e", open])).stderr;
  }

  async function received(from: Place): Promise<number> {
    const [link] = JSON.parse(await from.exec(["ip", "-s", "-j", "link", "show", "dev", "eth0"])) as {
      stats64: { rx: { packets: number } };
    }[];
    return link?.stats64.rx.packets ?? 0;
  }

  /** UDP datagrams that arrived, of both families (proc(5) /proc/net/snmp, snmp6). */
  async function datagrams(from: Place): Promise<number> {
    const ipv4 = await from.exec(["grep", "-h", "^Udp: [0-9]", "/proc/net/snmp"]);
    const ipv6 = await from.exec(["grep", "-h", "^Udp6InDatagrams", "/proc/net/snmp6"]);
    return Number(ipv4.split(/\s+/)[1]) + Number(ipv6.trim().split(/\s+/)[1]);
  }
});

/** Answers on the host's loopback only, as a database or an agent does. */
function localServer(port: number): string {
  return `
    const { createServer } = require("node:http");
    const answer = (request, response) => response.end(JSON.stringify({ host: require("node:os").hostname(), peer: "" }));
    createServer(answer).listen(${port}, "127.0.0.1");
    createServer(answer).listen(${port}, "::1");`;
}
