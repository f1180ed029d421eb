/** Mode routed: several networks in one container, ways out with and without translation, compose, and many at once. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { whoEventually } from "../../lab/probe.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { addressesOn, defaultRoutes, linkOf, resolve } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";
import { removeNetwork } from "../town.ts";
import { addAddress, dropAddress, ourRoutes, ROUTED, routedNetwork, routesTo, teach, untilReached } from "./flat.ts";

const FAMILIES = ["ipv4", "ipv6"] as const;
const OUTSIDE = { ipv4: "198.51.100.7", ipv6: "2001:db8:7::7" } as const;
const CONTAINERS = 30;

const COMPOSE_FILE = `
version: "2.4"
services:
  web:
    image: fairway-test:1
    ports: ["8080:80"]
    networks:
      flat:
        ipv4_address: 10.20.5.10
        ipv6_address: fd00:20:5::10
  db:
    image: fairway-test:1
    networks: [flat]
networks:
  flat:
    driver: fairway
    enable_ipv6: true
    driver_opts:
      mode: routed
      mtu: "1400"
      ifname_prefix: lan
    ipam:
      config:
        - subnet: 10.20.5.0/24
        - subnet: fd00:20:5::/64
`;

describe(`networks of mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  before(() => teach(rig));

  test("two routed networks and a bridge on one container: each address answers by its own interface", async () => {
    const { client, host } = rig;
    await routedNetwork(rig, "aa", 1);
    await routedNetwork(rig, "bb", 2);
    await rig.network("town", "--ipv6", "--subnet", "10.98.1.0/24", "--subnet", "fd98:1::/64");
    const [near, far, inTown] = await Promise.all([
      rig.run("in-aa", "aa"),
      rig.run("in-bb", "bb"),
      rig.run("in-town", "town"),
      rig.serveOn(client, "tcp:9000"),
    ]);
    await rig.run("app", "bb", { args: ["-p", "80:80", "-p", "8080:80"] });
    for (const network of ["town", "aa"]) {
      await host.docker("network", "connect", network, "app");
    }
    const app = await rig.box("app");
    const of = (network: string) => app.networks[network] ?? assert.fail(network);
    await untilReached(client, of("aa").ipv6);
    await untilReached(client, of("bb").ipv6);
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        ...["aa", "bb"].flatMap((network): Visit[] => [
          { from: client, to: of(network)[family], meets: app.host, as: client[family] },
          { from: client, to: of(network)[family], port: 8080, meets: app.host, as: client[family] },
          { from: host, to: of(network)[family], meets: app.host },
          { from: inTown, to: of(network)[family], meets: app.host, as: inTown[family] },
        ]),
        { from: near, to: of("aa")[family], meets: app.host, as: near[family] },
        { from: far, to: of("bb")[family], meets: app.host, as: far[family] },
        { from: far, to: of("aa")[family], meets: app.host, as: far[family] },
        { from: inTown, to: of("town")[family], meets: app.host, as: inTown[family] },
        { from: app, to: near[family], meets: near.host, as: of("aa")[family] },
        { from: app, to: far[family], meets: far.host, as: of("bb")[family] },
        { from: app, to: inTown[family], meets: inTown.host, as: of("town")[family] },
        ...["aa", "bb"].map(
          (network): Visit => ({
            from: app,
            to: client[family],
            port: 9000,
            sourceAddress: of(network)[family],
            meets: client.name,
            as: of(network)[family],
          }),
        ),
      ]),
    );
    const uplinks = (await defaultRoutes(app)).map((route) => route.split(" ")[4]);
    assert.equal(uplinks.length, 2);
    await assertNoLeaks(host);
    await host.docker("network", "disconnect", "bb", "app");
    assert.deepEqual(await routesTo(host, of("bb").ipv4, of("bb").ipv6), []);
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: client, to: of("bb")[family] },
        { from: client, to: of("aa")[family], meets: app.host, as: client[family] },
        { from: app, to: client[family], port: 9000, meets: client.name },
        { from: app, to: near[family], meets: near.host, as: of("aa")[family] },
      ]),
    );
    await host.docker("network", "connect", "bb", "app");
    const back = (await rig.box("app")).networks["bb"] ?? assert.fail("bb");
    await untilReached(client, back.ipv4);
    await assertVisits(FAMILIES.map((family) => ({ from: client, to: back[family], port: 8080, meets: app.host })));
  });

  test("egress_nat: outside the flat space the host's address, inside the container's own", async () => {
    const { client, host } = rig;
    await routedNetwork(rig, "app", 1, "-o", "egress_nat=true", "-o", "reachable=all");
    await routedNetwork(rig, "bare", 2);
    await addAddress(client, "eth0", ...Object.values(OUTSIDE));
    await host.exec(["ip", "route", "add", OUTSIDE.ipv4, "via", client.ipv4]);
    await host.exec(["ip", "-6", "route", "add", OUTSIDE.ipv6, "via", client.ipv6]);
    try {
      const [box, bare] = await Promise.all([
        rig.run("box", "app"),
        rig.run("bare", "bare", { args: ["-p", "80:80"] }),
        rig.serveOn(client, "tcp:443"),
      ]);
      await assertVisits(
        FAMILIES.flatMap((family): Visit[] => [
          { from: box, to: OUTSIDE[family], port: 443, meets: client.name, as: rig[family] },
          { from: box, to: client[family], port: 443, meets: client.name, as: box[family] },
          { from: box, to: bare[family], meets: bare.host, as: box[family] },
          { from: bare, to: OUTSIDE[family], port: 443, meets: client.name, as: bare[family] },
          // Who calls from outside is answered by the address that was called.
          { from: client, sourceAddress: OUTSIDE[family], to: box[family], meets: box.host, as: OUTSIDE[family] },
        ]),
      );
    } finally {
      await dropAddress(client, "eth0", ...Object.values(OUTSIDE));
      await host.exec(["ip", "route", "del", OUTSIDE.ipv4]);
      await host.exec(["ip", "-6", "route", "del", OUTSIDE.ipv6]);
    }
  });

  test("beside mode host: both reach what the other has opened", async () => {
    const { client } = rig;
    await routedNetwork(rig, "app", 1);
    await rig.network("web", "--ipam-driver", "fairway", "-o", "mode=host");
    const [flat, shared] = await Promise.all([
      rig.run("flat", "app", { args: ["-p", "80:80"], command: ["serve", "80", "81"] }),
      rig.run("shared", "web", { args: ["--expose", "8080"], command: ["serve", "8080"], ready: 8080 }),
    ]);
    await assertVisits(
      FAMILIES.flatMap((family): Visit[] => [
        { from: shared, to: flat[family], meets: flat.host, as: rig[family] },
        { from: shared, to: flat[family], port: 81 },
        { from: flat, to: rig[family], port: 8080, meets: shared.host, as: flat[family] },
        { from: client, to: rig[family], port: 8080, meets: shared.host, as: client[family] },
      ]),
    );
  });

  test("IPv6 alone, with two subnets of one network, or IPv4 alone", async () => {
    const { client, host } = rig;
    const only = await host.tryDocker([
      ...["network", "create", "-d", "fairway", ...ROUTED, "--ipv6", "--subnet", "fd00:20:6::/64"],
      ...(host.engine === "28.5" ? ["--ipv4=false"] : []),
      "six",
    ]);
    assert.equal(only.code, 0, only.stderr);
    await rig.network("four", ...ROUTED, "--subnet", "10.20.6.0/24");
    const serve = { args: ["-p", "80:80"] };
    const [six, four] = await Promise.all([rig.run("six", "six", serve), rig.run("four", "four", serve)]);
    if (host.engine === "28.5") {
      assert.equal(six.ipv4, "");
      assert.equal((await defaultRoutes(six)).length, 1);
    }
    assert.deepEqual(
      await addressesOn(six, "eth0"),
      [six.ipv4, six.ipv6]
        .filter((one) => one !== "")
        .map(whole)
        .sort(),
    );
    assert.equal(four.ipv6, "");
    await assertVisits([
      { from: client, to: six.ipv6, meets: six.host, as: client.ipv6 },
      { from: client, to: four.ipv4, meets: four.host, as: client.ipv4 },
    ]);
  });

  test("a compose file is all that it takes", async () => {
    const { client, host } = rig;
    const compose = (...args: readonly string[]) => rig.compose("shop", COMPOSE_FILE, ...args);
    await compose("up", "-d");
    await whoEventually(client, "10.20.5.10", 8080);
    const [web, db] = [await rig.box("shop_web_1"), await rig.box("shop_db_1")];
    assert.equal((await linkOf(web, "lan0")).mtu, 1400);
    assert.deepEqual(await resolve(db, "web"), ["10.20.5.10", "fd00:20:5::10"]);
    await assertVisits([
      { from: client, to: "fd00:20:5::10", port: 8080, meets: web.host, as: client.ipv6 },
      { from: client, to: "10.20.5.10", port: 80 },
      { from: db, to: web.ipv6, meets: web.host, as: db.ipv6 },
      { from: client, to: db.ipv4 },
    ]);
    await compose("up", "-d", "--force-recreate", "web");
    assert.notEqual((await whoEventually(client, "10.20.5.10", 8080)).host, web.host);
    await compose("down");
    assert.deepEqual(await ourRoutes(host), []);
  });

  test(`${CONTAINERS} containers at once`, async () => {
    const { client, host } = rig;
    await routedNetwork(rig, "app", 1, "--ipam-driver", "fairway");
    const names = Array.from({ length: CONTAINERS }, (_, index) => `c${index}`);
    await Promise.all(
      names.map((name) => host.docker("run", "-d", "--name", name, "--network", "app", "-p", "80:80", TEST_IMAGE)),
    );
    const boxes: Box[] = await Promise.all(names.map((name) => rig.box(name)));
    assert.equal(new Set(boxes.map(({ ipv4 }) => ipv4)).size, CONTAINERS);
    await Promise.all([boxes[0], boxes.at(-1)].map((box) => whoEventually(client, box?.ipv6 ?? "", 80)));
    await assertVisits([
      ...boxes.map((box): Visit => ({ from: client, to: box.ipv4, meets: box.host, as: client.ipv4 })),
      ...boxes.map((box): Visit => ({ from: client, to: box.ipv6, meets: box.host, as: client.ipv6 })),
    ]);
    await assertNoLeaks(host);
    await host.docker("rm", "-f", ...names);
    await assertNoLeaks(host);
    assert.equal((await ourRoutes(host)).length, 2);
    await removeNetwork(host, "app");
    assert.deepEqual(await ourRoutes(host), []);
  });
});

function whole(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}
