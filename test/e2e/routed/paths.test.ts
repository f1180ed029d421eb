/** Mode routed on one host: who reaches whom, with which source address, and by which way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { type BridgeRig, bridgeRig } from "../bridge/rig.ts";
import { addressesOn, defaultRoutes } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const ROUTED = ["-o", "mode=routed"];
const SUBNETS = ["--subnet", "10.20.0.0/24", "--ipv6", "--subnet", "fd00:20::/64"];

/** What a router would know: where the subnets are. */
async function teach(rig: BridgeRig): Promise<void> {
  await rig.client.exec(["ip", "route", "replace", "10.20.0.0/16", "via", rig.ipv4]);
  await rig.client.exec(["ip", "-6", "route", "replace", "fd00:20::/48", "via", rig.ipv6]);
}

describe(`mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  for (const [ipam, args] of [
    ["the engine's addresses", []],
    ["fairway's addresses", ["--ipam-driver", "fairway"]],
  ] as const) {
    test(`with ${ipam}, containers are reached at their own addresses, and seen by them`, async () => {
      const { host, client } = rig;
      await teach(rig);
      await rig.network("app", ...ROUTED, ...SUBNETS, ...args);
      const [a, b] = await Promise.all([
        rig.run("aa", "app", { args: ["-p", "80:80", "-p", "53:53/udp"] }),
        rig.run("bb", "app", { command: ["serve", "81"], ready: 81 }),
        rig.serveOn(client, "tcp:443", "udp:444"),
        rig.serveOnHost("tcp:90", "udp:91"),
      ]);
      await rig.serve(a, "udp:53");
      assert.deepEqual(await addressesOn(a, "eth0"), [`${a.ipv4}/32`, `${a.ipv6}/128`].sort());
      assert.equal((await defaultRoutes(a)).length, 2);
      const visits = (["ipv4", "ipv6"] as const).flatMap((family): Visit[] => [
        { from: client, to: a[family], port: 80, meets: a.host, as: client[family] },
        { from: client, to: a[family], port: 53, over: "udp", meets: a.host, as: client[family] },
        { from: client, to: b[family], port: 81 },
        { from: client, to: a[family], port: 54, over: "udp" },
        { from: host, to: a[family], port: 80, meets: a.host, as: rig[family] },
        { from: host, to: b[family], port: 81, meets: b.host, as: rig[family] },
        { from: a, to: b[family], port: 81, meets: b.host, as: a[family] },
        { from: b, to: a[family], port: 80, meets: a.host, as: b[family] },
        { from: a, to: client[family], port: 443, meets: client.name, as: a[family] },
        { from: b, to: client[family], port: 444, over: "udp", meets: client.name, as: b[family] },
        { from: a, to: rig[family], port: 90, meets: host.name, as: a[family] },
      ]);
      await assertVisits(visits);
    });
  }
});
