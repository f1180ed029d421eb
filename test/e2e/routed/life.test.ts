/** Mode routed: what stays and what goes while driver, engine, host, rules and routes come and go. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import { whoEventually } from "../../lab/probe.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { elementsOf } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";
import { startTraffic } from "../restart/traffic.ts";
import { bothOf, ourRoutes, pairOf, routedNetwork, routesTo, teach } from "./flat.ts";

const FAMILIES = ["ipv4", "ipv6"] as const;
const SETTLE_MS = 20_000;
const SUBNET_ROUTES = ["10.20.1.0/24 unreachable 9900", "fd00:20:1::/64 unreachable 9900"];

describe(`life of mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  before(() => teach(rig));

  test("kill -9 of the driver under traffic loses nothing, and it knows everything afterwards", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "app", 1, "-o", "announce=address");
    const web = await rig.run("web", "app", { args: ["-p", "8080:80"] });
    const routes = await ourRoutes(host);
    const pair = await pairOf(host, web.ipv4);
    assert.deepEqual(
      routes,
      [
        ...bothOf(web).map((address) => `${address} ${pair} 9900`),
        "10.20.1.0/24 unreachable 9910",
        "fd00:20:1::/64 unreachable 9910",
      ].sort(),
    );
    const watch = await rig.spawnOnHost(["ip", "monitor", "route"]);
    const traffic = await Promise.all(bothOf(web).map((address) => startTraffic(client, address, 8080)));
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await host.killDriver(signal);
      await Promise.all(traffic.map((one) => one.hasAnswered(10)));
      await host.startDriver();
      await Promise.all(traffic.map((one) => one.hasAnswered(10)));
    }
    assert.deepEqual(await Promise.all(traffic.map((one) => one.stop())), [{ failed: 0 }, { failed: 0 }]);
    assert.deepEqual(await ourRoutes(host), routes);
    // Nothing was withdrawn and announced again.
    assert.doesNotMatch(watch(), /proto 143/);
    await assertNoLeaks(host);
  });

  test("a route is withdrawn before its container is gone, however that ends", async () => {
    const { host } = rig;
    await routedNetwork(rig, "app", 1);
    const ends: readonly (readonly string[])[] = [["stop", "-t", "0"], ["kill"], ["rm", "-f"]];
    const watch = await rig.spawnOnHost(["ip", "monitor", "route"]);
    for (const [index, end] of ends.entries()) {
      const box = await rig.run(`c${index}`, "app");
      assert.equal((await routesTo(host, ...bothOf(box))).length, 2);
      await host.docker(...end, `c${index}`);
      const isGone = async () => (await routesTo(host, ...bothOf(box))).length === 0;
      await waitFor(isGone, SETTLE_MS, `routes of a container to go after ${end.join(" ")}`);
      await waitFor(() => watch().includes(`Deleted ${box.ipv4} `), SETTLE_MS, "the kernel to say so");
      assert.deepEqual(await elementsOf(host, "source"), []);
    }
    assert.deepEqual(await ourRoutes(host), SUBNET_ROUTES);
  });

  test("containers that end while the driver is away leave nothing, once it is back", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "app", 1, "-o", "announce=address");
    const [gone, stays] = await Promise.all(
      ["gone", "stays"].map((name) => rig.run(name, "app", { args: ["-p", "80:80"] })),
    );
    assert.ok(gone && stays);
    const pair = await pairOf(host, gone.ipv4);
    await host.killDriver("SIGKILL");
    // What an engine does when it has waited half a minute for an answer to its Leave.
    const home = pair.replace("fwv", "fwc");
    for (const change of [["down"], ["name", home], ["netns", "1"]]) {
      await gone.exec(["ip", "link", "set", change[0] === "netns" ? home : "eth0", ...change]);
    }
    assert.equal((await routesTo(host, ...bothOf(gone))).length, 2);
    await host.startDriver();
    await waitFor(async () => (await routesTo(host, ...bothOf(gone))).length === 0, SETTLE_MS, "the routes to go");
    await waitFor(async () => (await elementsOf(host, "source4 ")).length === 1, SETTLE_MS, "the elements to go");
    await waitFor(async () => (await snapshotOurs(host)).links.length === 1, SETTLE_MS, "the pair to go");
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: client, to: gone[family] },
        { from: client, to: stays[family], meets: stays.host, as: client[family] },
      ]),
    );
    await host.docker("rm", "-f", "gone");
    const next = await rig.run("next", "app", { args: ["-p", "80:80", "--ip", gone.ipv4] });
    await assertVisits([{ from: client, to: gone.ipv4, meets: next.host, as: client.ipv4 }]);
  });

  test("a driver that is killed while containers start leaves no half of one", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "app", 1);
    const names = Array.from({ length: 8 }, (_, index) => `c${index}`);
    const storm = Promise.all(
      names.map((name) => host.tryDocker(["run", "-d", "--name", name, "--network", "app", "-p", "80:80", TEST_IMAGE])),
    );
    await host.exec(["sh", "-c", "until [ $(ip -br link | grep -c ^fwv) -ge 2 ]; do :; done"], { timeoutMs: 30_000 });
    await host.killDriver("SIGKILL");
    await host.startDriver();
    const results = await storm;
    for (const name of names.filter((_, index) => results[index]?.code !== 0)) {
      await host.docker("start", name);
    }
    await assertNoLeaks(host);
    const boxes = await Promise.all(names.map((name) => rig.box(name)));
    await Promise.all(boxes.map((box) => whoEventually(client, box.ipv4, 80)));
    await assertVisits(boxes.map((box): Visit => ({ from: client, to: box.ipv6, meets: box.host })));
    assert.equal((await routesTo(host, ...boxes.flatMap(bothOf))).length, 16);
  });

  test("what somebody else flushes comes back by itself", async () => {
    const { host, client } = rig;
    const [web, neighbour] = await openTown();
    const routes = await ourRoutes(host);
    const wrecks: readonly (readonly string[])[] = [
      ["ip", "route", "flush", "proto", "143"],
      ["ip", "-6", "route", "flush", "proto", "143"],
      ["ip", "neigh", "flush", "all"],
      ["nft", "flush", "ruleset"],
    ];
    for (const wreck of wrecks) {
      await host.exec(wreck);
    }
    await waitFor(async () => (await ourRoutes(host)).join() === routes.join(), SETTLE_MS, "the routes");
    await waitFor(async () => (await elementsOf(host, "source4 ")).length === 2, SETTLE_MS, "the packet filter");
    await waitFor(() => answers(web), SETTLE_MS, "the container");
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: client, to: web[family], port: 8080, meets: web.host, as: client[family] },
        { from: client, to: web[family], port: 80 },
        { from: web, to: client[family], port: 443, meets: client.name, as: web[family] },
        { from: web, to: neighbour[family], meets: neighbour.host, as: web[family] },
        { from: neighbour, to: web[family], meets: web.host, as: neighbour[family] },
      ]),
    );
  });

  test("a pair that somebody set down and up reaches and is reached again, over both families", async () => {
    const { host, client } = rig;
    const [web, neighbour] = await openTown();
    const pair = await pairOf(host, web.ipv4);
    await host.exec(["ip", "link", "set", pair, "down"]);
    await host.exec(["ip", "link", "set", pair, "up"]);
    for (const address of bothOf(web)) {
      await whoEventually(client, address, 8080);
    }
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: web, to: client[family], port: 443, meets: client.name, as: web[family] },
        { from: neighbour, to: web[family], meets: web.host, as: neighbour[family] },
      ]),
    );
    await assertNoLeaks(host);
  });

  test("engine and host restart: containers come back with their routes, and nobody else's stay", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "app", 1);
    await rig.run("web", "app", { args: ["--restart=always", "-p", "8080:80"] });
    await rig.run("lost", "app", { args: ["-p", "80:80"] });
    const comesBack = async () => {
      await waitFor(async () => (await rig.box("web")).ipv4 !== "", SETTLE_MS, "an address");
      const web = await rig.box("web");
      for (const address of bothOf(web)) {
        await whoEventually(client, address, 8080, 30_000);
      }
      await assertNoLeaks(host);
      const pair = await pairOf(host, web.ipv4);
      const expected = [...bothOf(web).map((address) => `${address} ${pair} 9910`), ...SUBNET_ROUTES].sort();
      assert.deepEqual(await ourRoutes(host), expected);
    };
    await host.killEngine("SIGKILL");
    await host.startEngine();
    await comesBack();
    await host.killEngine("SIGTERM");
    await host.startEngine();
    await comesBack();
    await host.reboot({ startEngine: false });
    await host.startDriver();
    await waitFor(
      async () => (await ourRoutes(host)).join() === SUBNET_ROUTES.join(),
      SETTLE_MS,
      "the subnets' routes",
    );
    await host.startEngine();
    await comesBack();
    await host.docker("rm", "-f", "web", "lost");
    await host.docker("network", "rm", "app");
    assert.deepEqual(await ourRoutes(host), []);
    assert.deepEqual((await snapshotOurs(host)).elements, []);
  });

  /** A server, a neighbour on its network, and a client that serves as well. */
  async function openTown(): Promise<readonly [Box, Box]> {
    await routedNetwork(rig, "app", 1);
    const [web, neighbour] = await Promise.all([
      rig.run("web", "app", { args: ["-p", "8080:80"] }),
      rig.run("neighbour", "app"),
      rig.serveOn(rig.client, "tcp:443"),
    ]);
    return [web, neighbour];
  }

  async function answers(box: Box): Promise<boolean> {
    return (await whoEventually(rig.client, box.ipv4, 8080, 1000)).host === box.host;
  }
});

describe(`mode routed and an engine that leaves its containers running, ${engineUnderTest()}`, () => {
  const rig = bridgeRig({ engineArgs: ["--live-restore"] });

  before(() => teach(rig));

  test("they are reached without a pause, and go when the engine says so", async () => {
    const { host, client } = rig;
    await routedNetwork(rig, "app", 1);
    const web = await rig.run("web", "app", { args: ["-p", "8080:80"] });
    const traffic = await startTraffic(client, web.ipv4, 8080);
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await host.killEngine(signal);
      await traffic.hasAnswered(10);
      await host.startEngine();
      await traffic.hasAnswered(10);
    }
    assert.deepEqual(await traffic.stop(), { failed: 0 });
    assert.equal((await routesTo(host, ...bothOf(web))).length, 2);
    await assertVisits([{ from: client, to: web.ipv6, port: 8080, meets: web.host, as: client.ipv6 }]);
    await host.docker("rm", "-f", "web");
    assert.deepEqual(await ourRoutes(host), SUBNET_ROUTES);
    // Engine 20.10 puts its own rules in another order when it starts, and back with the next network.
    await rig.network("other");
  });
});
