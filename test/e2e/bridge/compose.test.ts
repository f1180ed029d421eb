/** A compose file is all that an application team writes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { whoEventually } from "../../lab/probe.ts";
import { bridgeRig } from "./rig.ts";
import { bridgeOf, defaultRoutes, linkOf, resolve } from "./sights.ts";
import { assertVisits } from "./visits.ts";

const COMPOSE_FILE = `
version: "2.4"
services:
  web:
    image: fairway-test:1
    ports:
      - "8080:80"
      - "127.0.0.1:8081:80"
    networks:
      front:
        ipv4_address: 10.88.5.10
        ipv6_address: fd88:5::10
      back:
  db:
    image: fairway-test:1
    networks:
      back:
        aliases: [database]
networks:
  front:
    driver: fairway
    enable_ipv6: true
    driver_opts:
      mtu: "1400"
      com.docker.network.bridge.name: br-front
    ipam:
      config:
        - subnet: 10.88.5.0/24
        - subnet: fd88:5::/64
  back:
    driver: fairway
    internal: true
`;

describe(`compose with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  const compose = (...args: readonly string[]) => rig.compose("shop", COMPOSE_FILE, ...args);

  test("up, recreate, down", async () => {
    const { host, client } = rig;
    await compose("up", "-d");
    await whoEventually(client, rig.ipv4, 8080);
    const [web, db] = [await rig.box("shop_web_1"), await rig.box("shop_db_1")];
    assert.deepEqual(
      [web.networks["shop_front"]?.ipv4, web.networks["shop_front"]?.ipv6],
      ["10.88.5.10", "fd88:5::10"],
    );
    assert.equal(await bridgeOf(host, "shop_front"), "br-front");
    assert.equal((await linkOf(host, "br-front")).mtu, 1400);
    assert.deepEqual(
      (await defaultRoutes(web)).map((route) => route.split(" ")[2]),
      ["10.88.5.1", "fd88:5::1"],
    );
    assert.deepEqual(await defaultRoutes(db), []);
    assert.deepEqual(await resolve(web, "database"), [db.ipv4]);
    await assertVisits([
      { from: client, to: rig.ipv4, port: 8080, meets: web.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, port: 8080, meets: web.host, as: client.ipv6 },
      { from: client, to: rig.ipv4, port: 8081 },
      { from: host, to: "127.0.0.1", port: 8081, meets: web.host },
      { from: web, to: db.ipv4, meets: db.host },
    ]);
    await compose("up", "-d", "--force-recreate", "web");
    const again = await whoEventually(client, rig.ipv4, 8080);
    assert.notEqual(again.host, web.host);
    assert.equal((await rig.box("shop_web_1")).networks["shop_front"]?.mac, web.networks["shop_front"]?.mac);
    await compose("down");
    assert.equal(await host.docker("network", "ls", "-q", "--filter", "driver=fairway"), "");
    await assertVisits([{ from: client, to: rig.ipv4, port: 8080 }]);
  });
});
