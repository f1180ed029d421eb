/** Mode host: what shares the address must not get in each other's way, and errors find the right one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { type LanClient, openLan } from "../../lab/lan.ts";
import { tcpConnect, udp } from "../../lab/probe.ts";
import type { Place, Space } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { ping, resolve } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];
const BULK = path.join(import.meta.dirname, "bulk.mjs");
const NARROW_MTU_BYTES = 1300;
const BULK_BYTES = 200_000;

describe(`flows of mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("two containers and the host call one server from the same source port", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const [a, b] = await Promise.all([
      rig.run("aa", "web", { args: ["--expose", "80"] }),
      rig.run("bb", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 }),
      rig.serveOn(client, "tcp:443", "udp:444"),
    ]);
    const portOf = (to: string) => (to === client.ipv4 ? 5555 : 5556);
    const visits = [client.ipv4, client.ipv6].flatMap((to): Visit[] =>
      [a, b, host].flatMap((from) => [
        {
          from,
          to,
          port: 443,
          sourcePort: portOf(to),
          meets: client.name,
          as: to === client.ipv4 ? rig.ipv4 : rig.ipv6,
        },
        { from, to, port: 444, sourcePort: portOf(to), over: "udp", meets: client.name },
      ]),
    );
    await assertVisits(visits);
    // The source port of an outgoing call may be somebody's claimed port.
    await assertVisits([
      { from: b, to: client.ipv4, port: 443, sourcePort: 80, meets: client.name, as: rig.ipv4 },
      { from: host, to: client.ipv4, port: 444, over: "udp", sourcePort: 80, meets: client.name },
      { from: client, to: rig.ipv4, port: 80, meets: a.host, as: client.ipv4 },
    ]);
  });

  test("errors: a closed port is refused at once, whoever calls whom", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const a = await rig.run("aa", "web", {
      args: ["--expose", "80", "--expose", "7000", "--expose", "7001/udp"],
    });
    const b = await rig.run("bb", "web", { ready: undefined });
    const places: readonly [from: Place, to: string, tcp: number, udp: number][] = [rig.ipv4, rig.ipv6].flatMap(
      (to): [Place, string, number, number][] => [
        [client, to, 7000, 7001],
        [host, to, 7000, 7001],
        [b, to, 7000, 7001],
        [a, to, 7000, 7001],
        [a, to, 7777, 7777],
        [client, to, 7777, 7777],
        [a, to === rig.ipv4 ? client.ipv4 : client.ipv6, 7777, 7777],
      ],
    );
    const outcomes = await Promise.all(
      places.flatMap(([from, to, tcpPort, udpPort]) => [
        tcpConnect(from, to, tcpPort).then((outcome) => `${from.name} tcp ${to} ${tcpPort}: ${failureOf(outcome)}`),
        udp(from, to, udpPort).then((outcome) => `${from.name} udp ${to} ${udpPort}: ${failureOf(outcome)}`),
      ]),
    );
    assert.deepEqual(
      outcomes.filter((outcome) => !outcome.endsWith(": refused")),
      [],
    );
  });

  test("a narrow path: both directions find its MTU", async () => {
    const { client, host } = rig;
    await rig.network("web", ...HOST);
    const a = await rig.run("aa", "web", { args: ["--expose", "9000"] });
    await using beyond = await openLan({ index: 8 });
    const [router, far] = [await rig.lan.router("router", beyond), await beyond.client("far")];
    try {
      await route(router, far);
      await serveBulk(host.space, ["nsenter", "-t", String(a.pid), "-n", "-p", "--"], 9000);
      await serveBulk(far.space, [], 9001);
      for (const [here, there] of [
        [rig.ipv4, far.ipv4],
        [rig.ipv6, far.ipv6],
      ] as const) {
        assert.equal(await callBulk(far, here, 9000), BULK_BYTES, `${far.name} calls ${here}`);
        await forgetPaths(a, host);
        assert.equal(await callBulk(a, there, 9001), BULK_BYTES, `container calls ${there}`);
        assert.equal(await pathMtu(a, there, here), NARROW_MTU_BYTES);
      }
      const hops = await a.exec(["busybox", "traceroute", "-n", "-q", "1", "-w", "2", "-m", "4", far.ipv4]);
      assert.match(hops, new RegExp(`${router.ipv4}[\\s\\S]*${far.ipv4}`));
    } finally {
      await host.exec(["ip", "route", "del", "10.222.8.0/24"]);
      await host.exec(["ip", "-6", "route", "del", "fd00:222:0:8::/64"]);
      await router.stop();
      await far.stop();
    }

    async function route(through: LanClient, to: LanClient): Promise<void> {
      await host.exec(["ip", "route", "add", "10.222.8.0/24", "via", through.ipv4]);
      await host.exec(["ip", "route", "add", "fd00:222:0:8::/64", "via", through.ipv6]);
      const near = await globalAddresses(through, "eth1");
      await to.exec(["ip", "route", "add", "10.222.0.0/24", "via", near.ipv4]);
      await to.exec(["ip", "route", "add", "fd00:222::/64", "via", near.ipv6]);
      const narrow = ["dev", "eth1", "mtu", "lock", String(NARROW_MTU_BYTES)];
      await through.exec(["ip", "route", "replace", "10.222.8.0/24", ...narrow]);
      await through.exec(["ip", "route", "replace", "fd00:222:0:8::/64", ...narrow, "metric", "256"]);
      assert.ok(await ping(client, through.ipv4));
    }
  });

  test("ping and names", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const [a, b] = await Promise.all([rig.run("aa", "web"), rig.run("bb", "web")]);
    const echoes: readonly [Place, string][] = [rig.ipv4, rig.ipv6].flatMap((to): [Place, string][] => [
      [client, to],
      [host, to],
      [a, to],
      [b, to],
      [a, to === rig.ipv4 ? client.ipv4 : client.ipv6],
    ]);
    const answered = await Promise.all(echoes.map(async ([from, to]) => `${from.name} ${to} ${await ping(from, to)}`));
    assert.deepEqual(
      answered.filter((line) => line.endsWith("false")),
      [],
    );
    assert.deepEqual(await resolve(a, "bb"), [rig.ipv4, rig.ipv6]);
    assert.deepEqual(await resolve(b, "aa"), [rig.ipv4, rig.ipv6]);
  });

  async function globalAddresses(place: Place, device: string): Promise<{ ipv4: string; ipv6: string }> {
    const [link] = JSON.parse(await place.exec(["ip", "-j", "addr", "show", "dev", device, "scope", "global"])) as {
      addr_info: { family: string; local: string }[];
    }[];
    const of = (family: string) => link?.addr_info.find((address) => address.family === family)?.local ?? "";
    return { ipv4: of("inet"), ipv6: of("inet6") };
  }

  let programs = 0;
  async function serveBulk(space: Space, enter: readonly string[], port: number): Promise<void> {
    programs += 1;
    const log = `bulk-${programs}.log`;
    await space.spawn([...enter, process.execPath, BULK, "serve", String(port), String(BULK_BYTES)], log);
    const isReady = () => readFileSync(path.join(space.directory, log), "utf8").includes("ready");
    await waitFor(isReady, 20_000, `a bulk server on port ${port}`);
  }

  async function callBulk(from: Place, to: string, port: number): Promise<number> {
    return Number(await from.exec([process.execPath, BULK, "call", to, String(port), String(BULK_BYTES)]));
  }

  /** What was learnt by the call in the other direction must not help. */
  async function forgetPaths(...places: readonly Place[]): Promise<void> {
    for (const place of places) {
      await place.exec(["ip", "route", "flush", "cache"]);
      await place.exec(["ip", "-6", "route", "flush", "cache"]);
    }
  }

  async function pathMtu(box: Box, to: string, source: string): Promise<number> {
    const route = await box.exec(["ip", "route", "get", to, "from", source]);
    return Number(/ mtu (\d+)/.exec(route)?.[1] ?? 0);
  }
});

function failureOf(outcome: Awaited<ReturnType<typeof udp>>): string {
  return outcome.ok ? `answered ${outcome.body}` : outcome.failure;
}
