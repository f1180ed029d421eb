/** Mode routed: who must not reach whom, whatever addresses and routes they give themselves. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LanClient } from "../../lab/lan.ts";
import { type Visit, visitAll } from "../../lab/visits.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { defaultRoutes, ping } from "../bridge/sights.ts";
import { assertVisits } from "../bridge/visits.ts";
import { addAddress, bothOf, dropAddress, ROUTED, routedNetwork, teach, watchSources } from "./flat.ts";

const FAMILIES = ["ipv4", "ipv6"] as const;

describe(`isolation of mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();
  let stranger: LanClient;

  before(async () => {
    stranger = await rig.lan.client("stranger");
    await teach(rig);
    await teach(rig, stranger);
  });
  after(() => stranger.stop());

  test("other networks of any kind reach what is published, and nothing else", async () => {
    const { client, host } = rig;
    // One by one: engine 20.10 writes a rule of its own twice when networks are created at the same time.
    await routedNetwork(rig, "red", 1);
    await routedNetwork(rig, "blue", 2);
    await rig.network("town", "--ipv6", "--subnet", "10.98.1.0/24", "--subnet", "fd98:1::/64");
    const serve = { command: ["serve", "80", "81"], args: ["-p", "80:80"] };
    const [red, blue, town, plain] = await Promise.all([
      rig.run("in-red", "red", serve),
      rig.run("in-blue", "blue", serve),
      rig.run("in-town", "town", { ...serve, args: ["-p", "8080:80"] }),
      rig.run("in-docker0", "bridge", { ...serve, args: ["-p", "8081:80"] }),
    ]);
    await assertVisits([
      ...FAMILIES.flatMap((family): Visit[] => [
        { from: red, to: blue[family], meets: blue.host, as: red[family] },
        { from: red, to: blue[family], port: 81 },
        { from: blue, to: red[family], meets: red.host, as: blue[family] },
        { from: blue, to: red[family], port: 81 },
        { from: town, to: red[family], meets: red.host, as: town[family] },
        { from: town, to: red[family], port: 81 },
        { from: red, to: town[family] },
        { from: red, to: town[family], port: 81 },
        { from: red, to: rig[family], port: 8080, meets: town.host, as: red[family] },
        { from: client, to: red[family], meets: red.host, as: client[family] },
        { from: client, to: red[family], port: 81 },
        { from: host, to: red[family], port: 81, meets: red.host },
      ]),
      { from: plain, to: red.ipv4, meets: red.host },
      { from: plain, to: red.ipv4, port: 81 },
      // Port 80 of it is published, which engines before 28 open at the container's own address as well.
      { from: red, to: plain.ipv4, port: 81 },
      { from: red, to: rig.ipv4, port: 8081, meets: plain.host },
    ]);
  });

  test("the address of one gateway is no way to what listens on another", async () => {
    await routedNetwork(rig, "red", 1);
    await routedNetwork(rig, "blue", 2);
    await rig.serveOnHost("tcp:9100");
    const [red, blue] = await Promise.all([rig.run("in-red", "red"), rig.run("in-blue", "blue")]);
    const [ofRed = "", ofBlue = ""] = await Promise.all([red, blue].map(ipv4Gateway));
    assert.notEqual(ofRed, ofBlue);
    await assertVisits([
      { from: red, to: ofRed, port: 9100, meets: rig.host.name, as: red.ipv4 },
      { from: red, to: ofBlue, port: 9100 },
    ]);
    assert.deepEqual(await Promise.all([ping(red, ofRed), ping(red, ofBlue)]), [true, false]);
  });

  test("--internal: neighbours, and nobody else in any direction", async () => {
    const { client } = rig;
    await routedNetwork(rig, "inner", 1, "--internal");
    await routedNetwork(rig, "outer", 2);
    const [left, right, outer] = await Promise.all([
      rig.run("left", "inner", { args: ["-p", "80:80"] }),
      rig.run("right", "inner"),
      rig.run("outer", "outer", { args: ["-p", "80:80"] }),
      rig.serveOn(client, "tcp:443", "udp:444"),
    ]);
    assert.deepEqual(await defaultRoutes(left), []);
    const [gateway = ""] = /169\.254\.\d+\.\d+/.exec(await left.exec(["ip", "route"])) ?? [];
    // What a container with NET_ADMIN could try.
    await left.exec(["ip", "route", "add", "default", "via", gateway, "dev", "eth0", "onlink"]);
    await left.exec(["ip", "-6", "route", "add", "default", "via", await ipv6Gateway(left), "dev", "eth0"]);
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: left, to: right[family], meets: right.host, as: left[family] },
        { from: left, to: client[family], port: 443 },
        { from: left, to: client[family], port: 444, over: "udp" },
        { from: left, to: outer[family] },
        { from: outer, to: left[family] },
        { from: client, to: left[family] },
      ]),
    );
    assert.deepEqual(await Promise.all(bothOf(left).map((to) => ping(client, to))), [false, false]);
  });

  test("icc=false: neighbours meet at published ports only", async () => {
    const { host } = rig;
    await routedNetwork(rig, "quiet", 1, "-o", "icc=false");
    const [left, right] = await Promise.all([
      rig.run("left", "quiet"),
      rig.run("right", "quiet", { args: ["-p", "8080:80"], command: ["serve", "80", "81"] }),
    ]);
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: left, to: right[family] },
        { from: left, to: right[family], port: 81 },
        { from: left, to: right[family], port: 8080, meets: right.host, as: left[family] },
        { from: right, to: left[family] },
        { from: host, to: right[family], port: 81, meets: right.host },
      ]),
    );
  });

  test("a container sends from its own addresses only", async () => {
    const { client } = rig;
    await routedNetwork(rig, "red", 1);
    await routedNetwork(rig, "blue", 2);
    const [forger, neighbour, other] = await Promise.all([
      rig.run("forger", "red"),
      rig.run("neighbour", "red", { args: ["-p", "80:80"] }),
      rig.run("other", "blue", { args: ["-p", "80:80"] }),
    ]);
    const forged = [
      ...bothOf(neighbour),
      ...bothOf(other),
      ...["10.20.1.99", "fd00:20:1::99", rig.ipv4, rig.ipv6, "198.51.100.9", "2001:db8::9"],
    ];
    await addAddress(forger, "eth0", ...forged);
    const places = [client, neighbour, other];
    const seen = await Promise.all(places.map((place) => watchSources(place, [...forged, ...bothOf(forger)])));
    const tries = places.flatMap((place) =>
      [...forged, ...bothOf(forger)].flatMap((sourceAddress): Visit[] => {
        const to = place[sourceAddress.includes(":") ? "ipv6" : "ipv4"];
        const isItself = to === sourceAddress || forged.includes(to);
        return isItself && place !== client ? [] : [{ from: forger, to, over: "udp", port: 80, sourceAddress }];
      }),
    );
    await visitAll(tries);
    assert.deepEqual(await seen[0]?.(), bothOf(forger));
    await dropAddress(forger, "eth0", ...bothOf(neighbour), ...bothOf(other));
    await visitAll(
      [neighbour, other].flatMap((place) =>
        forged
          .filter((address) => !places.slice(1).some((one) => bothOf(one as Box).includes(address)))
          .map((sourceAddress): Visit => {
            const to = place[sourceAddress.includes(":") ? "ipv6" : "ipv4"];
            return { from: forger, to, over: "udp", port: 80, sourceAddress };
          }),
      ),
    );
    assert.deepEqual(await seen[1]?.(), []);
    assert.deepEqual(await seen[2]?.(), []);
  });

  test("a machine of the LAN is not taken for a container of this host", async () => {
    await routedNetwork(rig, "red", 1);
    const [web, neighbour] = await Promise.all([
      rig.run("web", "red", { args: ["-p", "80:80"], command: ["serve", "80", "81"] }),
      rig.run("neighbour", "red"),
    ]);
    const forged = bothOf(neighbour);
    await addAddress(stranger, "eth0", ...forged);
    try {
      const seen = await watchSources(web, [...forged, stranger.ipv4, stranger.ipv6]);
      await visitAll(
        FAMILIES.flatMap((family, index) =>
          [80, 81].flatMap((port): Visit[] => [
            { from: stranger, to: web[family], port, sourceAddress: forged[index] ?? "" },
            { from: stranger, to: web[family], port, sourceAddress: stranger[family] },
          ]),
        ),
      );
      assert.deepEqual(await seen(), [stranger.ipv4, stranger.ipv6]);
    } finally {
      await dropAddress(stranger, "eth0", ...forged);
    }
  });

  test("the policy of FORWARD changes nothing where the engine has DOCKER-USER", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "red", 1);
    await routedNetwork(rig, "blue", 2);
    const [red, blue] = await Promise.all([
      rig.run("in-red", "red", { args: ["-p", "80:80"], command: ["serve", "80", "81"] }),
      rig.run("in-blue", "blue"),
      rig.serveOn(client, "tcp:443"),
    ]);
    // Engine 20.10 leaves IPv6 alone by default; what an administrator drops there is dropped.
    const both = ["iptables", "ip6tables"];
    const listings = await Promise.all(both.map((one) => host.execInRoot([one, "-w", "-S"])));
    const programs = both.filter((_, index) => listings[index]?.includes("-N DOCKER-USER"));
    const policies = listings.map((listing) => /^-P FORWARD (\w+)/m.exec(listing)?.[1]);
    const families = FAMILIES.slice(0, programs.length);
    const setPolicies = (wanted: readonly (string | undefined)[]) =>
      Promise.all(
        programs.map((one, index) => host.execInRoot([one, "-w", "5", "-P", "FORWARD", wanted[index] ?? "DROP"])),
      );
    try {
      for (const policy of ["ACCEPT", "DROP"]) {
        await setPolicies([policy, policy]);
        await assertVisits(
          families.flatMap((family): Visit[] => [
            { from: client, to: red[family], meets: red.host, as: client[family] },
            { from: client, to: red[family], port: 81 },
            { from: blue, to: red[family], port: 81 },
            { from: blue, to: red[family], meets: red.host },
            { from: red, to: client[family], port: 443, meets: client.name, as: red[family] },
          ]),
        );
      }
    } finally {
      await setPolicies(policies);
    }
  });

  test("without --subnet the engine chooses, and it works as well", async () => {
    await rig.network("chosen", ...ROUTED);
    const [left, right] = await Promise.all([rig.run("left", "chosen"), rig.run("right", "chosen")]);
    await assertVisits([{ from: left, to: right.ipv4, meets: right.host, as: left.ipv4 }]);
  });

  async function ipv4Gateway(box: Box): Promise<string> {
    return (await defaultRoutes(box))[0]?.split(" ")[2] ?? "";
  }

  async function ipv6Gateway(box: Box): Promise<string> {
    return /via (fe80:\S+)/.exec(await box.exec(["ip", "-6", "route"]))?.[1] ?? "";
  }
});
