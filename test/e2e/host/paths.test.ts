/** Mode host: who reaches whom, with which source address. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { bridgeRig } from "../bridge/rig.ts";
import { addressesOn, defaultRoutes } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];

describe(`mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("everybody reaches everybody by the host's address, and sees the true source", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const args = ["--expose", "80", "--expose", "53/udp"];
    const [a, b] = await Promise.all([
      rig.run("aa", "web", { args, ready: 80 }),
      rig.run("bb", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 }),
      rig.serveOn(client, "tcp:443", "udp:444"),
      rig.serveOnHost("tcp:90", "udp:91"),
    ]);
    await rig.serve(a, "udp:53");
    assert.deepEqual(await addressesOn(a, "eth0"), [`${rig.ipv4}/32`, `${rig.ipv6}/128`].sort());
    assert.equal((await defaultRoutes(a)).length, 2);
    const visits = [rig.ipv4, rig.ipv6].flatMap((to): Visit[] => {
      const isIpv4 = to === rig.ipv4;
      const outside = isIpv4 ? client.ipv4 : client.ipv6;
      const hostName = host.name;
      return [
        { from: client, to, port: 80, meets: a.host, as: outside },
        { from: client, to, port: 81, meets: b.host, as: outside },
        { from: client, to, port: 53, over: "udp", meets: a.host, as: outside },
        { from: client, to, port: 90, meets: hostName, as: outside },
        { from: client, to, port: 82 },
        { from: host, to, port: 80, meets: a.host, as: to },
        { from: host, to, port: 81, meets: b.host, as: to },
        { from: host, to, port: 53, over: "udp", meets: a.host, as: to },
        { from: a, to, port: 81, meets: b.host, as: to },
        { from: b, to, port: 80, meets: a.host, as: to },
        { from: b, to, port: 53, over: "udp", meets: a.host, as: to },
        { from: a, to, port: 80, meets: a.host, as: to },
        { from: a, to, port: 53, over: "udp", meets: a.host, as: to },
        { from: a, to, port: 90, meets: hostName, as: to },
        { from: a, to, port: 91, over: "udp", meets: hostName, as: to },
        { from: a, to: outside, port: 443, meets: client.name, as: to },
        { from: a, to: outside, port: 444, over: "udp", meets: client.name, as: to },
        { from: b, to: outside, port: 443, meets: client.name, as: to },
      ];
    });
    await assertVisits([
      ...visits,
      { from: host, to: "127.0.0.1", port: 80, meets: a.host },
      { from: host, to: "::1", port: 81, meets: b.host },
    ]);
  });
});
