/** Who reaches whom when containers have flat addresses, and whom the called one sees. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { far } from "../far.ts";
import { addresses } from "../host.ts";
import { askHere, Sandbox } from "../sandbox.ts";
import { buildRoutedWorld, type Flat, networks, type RoutedWorld } from "./world.ts";

const { host, client, first } = addresses;
const quick = { timeoutMs: 500 };
const closed = 99;
let world: RoutedWorld;
let hostServices: Sandbox;
let shop: Flat;
let mail: Flat;
let apart: Flat;
let alsoApart: Flat;
let secret: Flat;
let alsoSecret: Flat;
let open: Flat;
let nat: Flat;

before(async () => {
  world = await buildRoutedWorld();
  hostServices = await Sandbox.here();
  const ports = ["80:80", "8081:81", "7000:7000", "7001:7001", "7100:6100", "7101:6101"];
  const both = [...ports, ...ports.map((text) => `${text}/udp`)];
  shop = await world.open(networks.app, 2, both);
  mail = await world.open(networks.app, 3);
  apart = await world.open(networks.apart, 2, ["80:80", "80:80/udp", "8081:81", "8081:81/udp"]);
  alsoApart = await world.open(networks.apart, 3);
  secret = await world.open(networks.secret, 2, ["80:80", "80:80/udp"]);
  alsoSecret = await world.open(networks.secret, 3);
  open = await world.open(networks.open, 2);
  nat = await world.open(networks.nat, 2, ["80:80", "80:80/udp"]);
  for (const protocol of ["tcp", "udp"] as const) {
    for (const number of [80, 81, 7001, 6101, closed]) {
      await shop.sandbox.serve(protocol, number, `shop${number}`);
    }
    for (const [sandbox, number, name] of [
      [mail.sandbox, closed, "mail"],
      [apart.sandbox, 80, "apart80"],
      [apart.sandbox, 81, "apart81"],
      [apart.sandbox, closed, "apart"],
      [secret.sandbox, 80, "secret"],
      [secret.sandbox, closed, "secret"],
      [open.sandbox, closed, "open"],
      [nat.sandbox, 80, "nat"],
      [nat.sandbox, closed, "nat"],
      [world.client, 90, "client"],
      [world.far, 90, "far"],
      [world.first, 90, "first"],
      [hostServices, 82, "host"],
    ] as const) {
      await sandbox.serve(protocol, number, name);
    }
  }
});

after(async () => {
  await hostServices[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

for (const protocol of ["tcp", "udp"] as const) {
  for (const family of ["ipv4", "ipv6"] as const) {
    describe(`${protocol} over ${family}`, () => {
      const ask = (from: Sandbox, to: string, port: number): Promise<string> => from.ask(protocol, to, port);
      /** Nobody answers: the packet was dropped on its way, or there is no way. */
      const checkSilence = async (from: Sandbox, to: string, port: number): Promise<void> => {
        assert.match(await from.ask(protocol, to, port, quick), /^(timeout|ENETUNREACH)$/);
      };

      test("callers outside reach published ports, and are seen as who they are", async () => {
        assert.equal(await ask(world.client, shop[family], 80), `shop80 ${client[family]}`);
        assert.equal(await ask(world.far, shop[family], 80), `shop80 ${far[family]}`);
        assert.equal(await ask(world.client, shop[family], 7001), `shop7001 ${client[family]}`);
      });

      test("a published port with another number leads there, and the number behind it stays closed", async () => {
        assert.equal(await ask(world.client, shop[family], 8081), `shop81 ${client[family]}`);
        assert.equal(await ask(world.far, shop[family], 7101), `shop6101 ${far[family]}`);
        await checkSilence(world.client, shop[family], 81);
        await checkSilence(world.client, shop[family], 6101);
      });

      test("a port that nobody published is closed to the world and to other networks, and open to neighbours", async () => {
        await checkSilence(world.client, shop[family], closed);
        await checkSilence(apart.sandbox, shop[family], closed);
        await checkSilence(world.first, shop[family], closed);
        assert.equal(await ask(mail.sandbox, shop[family], closed), `shop${closed} ${mail[family]}`);
        assert.equal(await ask(shop.sandbox, mail[family], closed), `mail ${shop[family]}`);
      });

      test("neighbours, other networks and bridges reach published ports", async () => {
        assert.equal(await ask(mail.sandbox, shop[family], 8081), `shop81 ${mail[family]}`);
        assert.equal(await ask(apart.sandbox, shop[family], 80), `shop80 ${apart[family]}`);
        assert.equal(await ask(apart.sandbox, shop[family], 8081), `shop81 ${apart[family]}`);
        assert.equal(await ask(world.first, shop[family], 80), `shop80 ${first[family]}`);
        assert.equal(await ask(world.first, shop[family], 8081), `shop81 ${first[family]}`);
      });

      test("icc=false: neighbours meet at published ports only", async () => {
        assert.equal(await ask(alsoApart.sandbox, apart[family], 80), `apart80 ${alsoApart[family]}`);
        assert.equal(await ask(alsoApart.sandbox, apart[family], 8081), `apart81 ${alsoApart[family]}`);
        await checkSilence(alsoApart.sandbox, apart[family], closed);
        await checkSilence(alsoApart.sandbox, apart[family], 81);
      });

      test("reachable=all: everybody reaches every port", async () => {
        assert.equal(await ask(world.far, open[family], closed), `open ${far[family]}`);
        assert.equal(await ask(shop.sandbox, open[family], closed), `open ${shop[family]}`);
        assert.equal(await ask(world.first, open[family], closed), `open ${first[family]}`);
      });

      test("a container calls the world from its own address", async () => {
        assert.equal(await ask(shop.sandbox, client[family], 90), `client ${shop[family]}`);
        assert.equal(await ask(shop.sandbox, far[family], 90), `far ${shop[family]}`);
        await checkSilence(shop.sandbox, first[family], 90);
      });

      test("the host reaches every port of a container", async () => {
        for (const [port, greeting] of [
          [80, "shop80"],
          [8081, "shop81"],
          [closed, `shop${closed}`],
        ] as const) {
          assert.match(await askHere(protocol, shop[family], port), new RegExp(`^${greeting} `));
        }
      });

      test("a container reaches itself at its own address", async () => {
        assert.equal(await ask(shop.sandbox, shop[family], closed), `shop${closed} ${shop[family]}`);
      });

      test("internal: only neighbours, in both directions, even with a way out", async () => {
        assert.equal(await ask(alsoSecret.sandbox, secret[family], closed), `secret ${alsoSecret[family]}`);
        for (const caller of [world.client, world.first, shop.sandbox, open.sandbox]) {
          await checkSilence(caller, secret[family], 80);
        }
        const way = family === "ipv4" ? `default via ${networks.secret.gatewayIpv4}` : `::/0 via fe80::fa17:0:3`;
        await secret.sandbox.ip(`route add ${way} dev eth0`);
        for (const [address, port] of [
          [client[family], 90],
          [first[family], 90],
          [shop[family], 80],
          [open[family], closed],
          [apart[family], 8081],
        ] as const) {
          await checkSilence(secret.sandbox, address, port);
        }
        await secret.sandbox.ip(`route delete ${way} dev eth0`);
      });

      test("egress_nat: who is outside the flat space sees the host, who is inside sees the container", async () => {
        assert.equal(await ask(nat.sandbox, far[family], 90), `far ${host[family]}`);
        assert.equal(await ask(nat.sandbox, client[family], 90), `client ${nat[family]}`);
        assert.equal(await ask(world.far, nat[family], 80), `nat ${far[family]}`);
      });

      test("two containers and the host call the same server from the same port", async () => {
        const options = { fromPort: 5007 };
        const answers = await Promise.all([
          askHere(protocol, client[family], 90, options),
          nat.sandbox.ask(protocol, client[family], 90, options),
          mail.sandbox.ask(protocol, client[family], 90, options),
          shop.sandbox.ask(protocol, client[family], 90, options),
        ]);
        assert.deepEqual(answers, [
          `client ${host[family]}`,
          `client ${nat[family]}`,
          `client ${mail[family]}`,
          `client ${shop[family]}`,
        ]);
      });
    });
  }
}

for (const family of ["ipv4", "ipv6"] as const) {
  describe(family, () => {
    const ping = (from: Sandbox, to: string): Promise<string> =>
      from.exec("ping", family === "ipv4" ? "-4" : "-6", "-n", "-c", "1", "-W", "1", to);

    test("everybody's ping reaches a container, save those of internal networks", async () => {
      for (const caller of [world.client, world.far, world.first, alsoApart.sandbox, shop.sandbox]) {
        await ping(caller, mail[family]);
        await ping(caller, apart[family]);
        await assert.rejects(ping(caller, secret[family]));
      }
      await ping(alsoSecret.sandbox, secret[family]);
      await ping(shop.sandbox, far[family]);
      await ping(nat.sandbox, far[family]);
    });

    test("a container calls the host from its own address", async () => {
      assert.equal(await shop.sandbox.ask("tcp", host[family], 82), `host ${shop[family]}`);
      assert.equal(await nat.sandbox.ask("tcp", host[family], 82), `host ${nat[family]}`);
    });

    test("packets in many pieces arrive whole", async () => {
      const large = { bytes: 20_000 };
      assert.equal(await world.client.ask("udp", shop[family], 80, large), `shop80 ${client[family]}`);
      assert.equal(await world.client.ask("udp", shop[family], 8081, large), `shop81 ${client[family]}`);
      assert.equal(await shop.sandbox.ask("udp", client[family], 90, large), `client ${shop[family]}`);
    });

    test("another network's gateway is not there", async () => {
      const { app, apart: other } = networks;
      const [own, foreign] =
        family === "ipv4"
          ? [app.gatewayIpv4, other.gatewayIpv4]
          : [`${app.gatewayIpv6}%eth0`, `${other.gatewayIpv6}%eth0`];
      const from = { from: shop[family] };
      assert.equal(await shop.sandbox.ask("tcp", own, 82, from), `host ${shop[family]}`);
      assert.match(await shop.sandbox.ask("tcp", foreign, 82, { ...from, ...quick }), /^(timeout|EHOSTUNREACH)$/);
      assert.equal(await shop.sandbox.ask("tcp", addresses.gateway[family], 82, quick), "timeout");
      assert.equal(await world.first.ask("tcp", app.gatewayIpv4, 82, quick), "timeout");
    });
  });
}
