/** Addresses that somebody has no right to: as source of what a container, a bridge or the world sends. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Family } from "../../../../src/model/ip.ts";
import { far } from "../far.ts";
import { addresses, writeSysctl } from "../host.ts";
import { parsePacket } from "../packet.ts";
import { Sandbox, withAddress } from "../sandbox.ts";
import { openTap } from "../tap.ts";
import { buildRoutedWorld, droppedBy, type Flat, networks, type RoutedWorld } from "./world.ts";

const { host, client, first } = addresses;
const quick = { timeoutMs: 400 };
const closed = 99;
const nobody = { ipv4: "10.20.1.77", ipv6: "fd00:20:1::77" } as const;
const strange = { ipv4: "203.0.113.7", ipv6: "2001:db8:77::7" } as const;
let world: RoutedWorld;
let hostServices: Sandbox;
let shop: Flat;
let mail: Flat;
let apart: Flat;

before(async () => {
  world = await buildRoutedWorld();
  hostServices = await Sandbox.here();
  shop = await world.open(networks.app, 2, ["80:80", "80:80/udp"]);
  mail = await world.open(networks.app, 3);
  apart = await world.open(networks.apart, 2, ["80:80", "80:80/udp"]);
  for (const protocol of ["tcp", "udp"] as const) {
    await shop.sandbox.serve(protocol, 80, "shop");
    await shop.sandbox.serve(protocol, closed, "shop");
    await mail.sandbox.serve(protocol, closed, "mail");
    await world.client.serve(protocol, 90, "client");
    await hostServices.serve(protocol, 82, "host");
  }
  // Whatever the host's own filter of reverse paths would drop, we must not rely on it.
  writeSysctl("net/ipv4/conf/up0/rp_filter", "0");
  writeSysctl("net/ipv4/conf/br0/rp_filter", "0");
});

after(async () => {
  await hostServices[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

/** Sends datagrams in somebody's name and makes sure that they do not arrive, and that an honest one behind them does. */
async function checkNotHeard(
  sender: Sandbox,
  source: string,
  target: Flat,
  honest: () => Promise<void>,
): Promise<void> {
  await using tap = await openTap(target.sandbox);
  const to = source.includes(":") ? target.ipv6 : target.ipv4;
  await withAddress(sender, source, async () => {
    const forged = { ...quick, from: source };
    await Promise.all([
      sender.ask("udp", to, 80, forged),
      sender.ask("udp", to, closed, forged),
      sender.ask("tcp", to, closed, forged),
    ]);
  });
  const before = tap.packets.length;
  await honest();
  await tap.find("the honest packet", (bytes) => tap.packets.indexOf(bytes) >= before);
  const heard = tap.packets.map(parsePacket).filter((one) => one?.source === source && one.destination === to);
  assert.deepEqual(heard, []);
}

for (const family of ["ipv4", "ipv6"] as const satisfies readonly Family[]) {
  describe(family, () => {
    const sources = (): [string, string][] => [
      ["its neighbour's address", mail[family]],
      ["an address of its subnet that nobody has", nobody[family]],
      ["the address of another network's container", apart[family]],
      ["the host's address", host[family]],
      ["an address of the world", far[family]],
      ["an address of nobody", strange[family]],
    ];

    for (const index of [0, 1, 2, 3, 4, 5]) {
      test(`a container cannot send from any address but its own (${index + 1} of 6)`, async () => {
        const [what, source] = sources()[index] ?? assert.fail("there are six");
        await using tap = await openTap(world.client);
        const before = await droppedBy("flat_source");
        await withAddress(shop.sandbox, source, async () => {
          const forged = { ...quick, from: source };
          const targets = [
            ["udp", client[family], 90],
            ["tcp", client[family], 90],
            ["udp", apart[family], 80],
            ["udp", host[family], 82],
          ] as const;
          // What it calls itself, it would call itself.
          const asked = targets.filter(([, address]) => address !== source);
          const answers = await Promise.all(
            asked.map(([protocol, address, port]) => shop.sandbox.ask(protocol, address, port, forged)),
          );
          assert.deepEqual(new Set(answers), new Set(["timeout"]), what);
        });
        assert.ok((await droppedBy("flat_source")) >= before + 3, what);
        assert.equal(await shop.sandbox.ask("udp", client[family], 90), `client ${shop[family]}`);
        await tap.find("the honest packet", (bytes) => parsePacket(bytes)?.source === shop[family]);
        assert.ok(!tap.packets.some((bytes) => parsePacket(bytes)?.source === source), what);
      });
    }

    test("nor can it reach its neighbour's closed ports in the name of a third one", async () => {
      await checkNotHeard(shop.sandbox, nobody[family], mail, async () => {
        assert.equal(await shop.sandbox.ask("udp", mail[family], closed), `mail ${shop[family]}`);
      });
    });

    test("the world cannot speak in the name of a container of this host", async () => {
      const before = await droppedBy("to_flat");
      for (const source of [mail[family], apart[family], shop[family]]) {
        await checkNotHeard(world.client, source, shop, async () => {
          assert.equal(await world.client.ask("udp", shop[family], 80), `shop ${client[family]}`);
        });
      }
      assert.ok((await droppedBy("to_flat")) >= before + 3);
    });

    test("nor can a container on a bridge, of anybody in the network", async () => {
      for (const source of [mail[family], apart[family], nobody[family]]) {
        await checkNotHeardAtClosed(world.first, source, shop, async () => {
          assert.equal(await world.first.ask("udp", shop[family], 80), `shop ${first[family]}`);
        });
      }
    });

    test("the network's containers on other hosts are its neighbours", async () => {
      await withAddress(world.client, nobody[family], async () => {
        const way =
          family === "ipv4" ? `${nobody.ipv4}/32 via ${client.ipv4}` : `${nobody.ipv6}/128 via ${client.ipv6}`;
        await hostServices.ip(`route add ${way} dev up0`);
        const from = { from: nobody[family] };
        assert.equal(await world.client.ask("tcp", shop[family], closed, from), `shop ${nobody[family]}`);
        assert.equal(await world.client.ask("udp", shop[family], closed, from), `shop ${nobody[family]}`);
        await hostServices.ip(`route delete ${way} dev up0`);
      });
    });
  });
}

/** At ports that only neighbours reach; what is published is open to whatever a bridge lets its containers say. */
async function checkNotHeardAtClosed(
  sender: Sandbox,
  source: string,
  target: Flat,
  honest: () => Promise<void>,
): Promise<void> {
  await using tap = await openTap(target.sandbox);
  const to = source.includes(":") ? target.ipv6 : target.ipv4;
  await withAddress(sender, source, async () => {
    const forged = { ...quick, from: source };
    await Promise.all([sender.ask("udp", to, closed, forged), sender.ask("tcp", to, closed, forged)]);
  });
  const before = tap.packets.length;
  await honest();
  await tap.find("the honest packet", (bytes) => tap.packets.indexOf(bytes) >= before);
  const heard = tap.packets.map(parsePacket).filter((one) => one?.source === source && one.destination === to);
  assert.deepEqual(heard, []);
}

test("a container cannot call what listens on the host's loopback", async () => {
  await hostServices.serve("tcp", 83, "loopback", "127.0.0.1");
  const { sandbox } = shop;
  assert.equal(await sandbox.ask("tcp", host.ipv4, 83), "ECONNREFUSED");
  await sandbox.ip(`route add 127.0.0.53 via ${networks.app.gatewayIpv4} dev eth0 src ${shop.ipv4} table 7`);
  await sandbox.ip("rule add pref 10 lookup local", "rule delete pref 0", "rule add pref 2 to 127.0.0.53 lookup 7");
  await sandbox.exec("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
  assert.equal(await sandbox.ask("udp", "127.0.0.53", 82, { ...quick, from: shop.ipv4 }), "timeout");
});
