/** ICMP errors about traffic of containers with flat addresses, and what a container leaves behind when it goes. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Family } from "../../../../src/model/ip.ts";
import { planDetachment, planEndpointElements } from "../../../../src/plan/wishes.ts";
import { waitFor } from "../../../lab/wait.ts";
import { far, narrowMtuBytes } from "../far.ts";
import { addresses } from "../host.ts";
import { checkError, pathMtu } from "../icmp.ts";
import { askHere, ipHere, type Sandbox } from "../sandbox.ts";
import { openTap } from "../tap.ts";
import { buildRoutedWorld, type Flat, networks, type RoutedWorld } from "./world.ts";

const { host, client } = addresses;
const closedPort = 9;
const nobody = { ipv4: "10.20.1.200", ipv6: "fd00:20:1::c8" } as const;
/** Of a pair; smaller than every other link's. */
const pairMtuBytes = 1290;
/** Too large for the narrow link, not for the others. */
const largeBytes = 1400;
const deadlineMs = 5000;
const unreachable = /^E(HOST|NET)UNREACH$/;
let world: RoutedWorld;
let shop: Flat;
let mail: Flat;
let apart: Flat;
let nat: Flat;

before(async () => {
  world = await buildRoutedWorld();
  shop = await world.open(networks.app, 2, ["80:80", "80:80/udp", "9000:90/udp", "9001:91/udp"]);
  mail = await world.open(networks.app, 3, ["81:81/udp"]);
  apart = await world.open(networks.apart, 2, ["80:80", "80:80/udp"]);
  nat = await world.open(networks.nat, 2);
  await world.far.serve("udp", 90, "far");
  await shop.sandbox.serve("tcp", 80, "shop".padEnd(100_000, "."));
  await shop.sandbox.serve("udp", 91, "x".repeat(largeBytes));
  await mail.sandbox.serve("udp", 81, "mail");
  await apart.sandbox.serve("tcp", 80, "apart");
});

after(() => world[Symbol.asyncDispose]());

for (const family of ["ipv4", "ipv6"] as const satisfies readonly Family[]) {
  describe(family, () => {
    test("a container learns that nobody listens at a port of the world", async () => {
      const quote = { teller: far[family], told: shop[family], from: shop[family], to: far[family] };
      await checkError(openTap(shop.sandbox), quote, async () => {
        assert.equal(await shop.sandbox.ask("udp", far[family], closedPort), "ECONNREFUSED");
      });
    });

    test("so does one whose address is translated on its way", async () => {
      const quote = { teller: far[family], told: nat[family], from: nat[family], to: far[family] };
      await checkError(openTap(nat.sandbox), quote, async () => {
        assert.equal(await nat.sandbox.ask("udp", far[family], closedPort), "ECONNREFUSED");
      });
    });

    test("the world learns that nobody listens at a published port, by the number that it knows", async () => {
      const quote = { teller: shop[family], told: far[family], from: far[family], to: shop[family] };
      for (const port of [80, 9000]) {
        const quoted = await checkError(openTap(world.far), quote, async () => {
          assert.equal(await world.far.ask("udp", shop[family], port), "ECONNREFUSED");
        });
        assert.equal(quoted.readUInt16BE(2), port);
      }
    });

    test("an address that no container has is unreachable, for the world, for neighbours and for the host", async () => {
      const quote = { teller: host[family], told: client[family], from: client[family], to: nobody[family] };
      await checkError(openTap(world.client), quote, async () => {
        // For a socket of udp the kernel keeps such news to itself (udp(7)).
        await world.client.ask("udp", nobody[family], 80, { timeoutMs: 50 });
      });
      const callers = [world.client, world.far, world.first, shop.sandbox, apart.sandbox];
      for (const caller of callers) {
        assert.match(await caller.ask("tcp", nobody[family], 80), unreachable);
      }
      assert.match(await askHere("tcp", nobody[family], 80), unreachable);
    });

    test("a container sees every station on its way, and the world the host", async () => {
      const stations = [
        [shop.sandbox, far[family], "1", "\\S+"],
        [shop.sandbox, far[family], "2", client[family]],
        [nat.sandbox, far[family], "2", client[family]],
        [world.client, shop[family], "1", host[family]],
        [world.far, shop[family], "2", host[family]],
      ] as const;
      for (const [sandbox, address, hops, teller] of stations) {
        const option = family === "ipv4" ? "-4" : "-6";
        const argv = ["ping", option, "-n", "-c", "1", "-W", "3", "-t", hops, address];
        await assert.rejects(sandbox.exec(...argv), (error) => {
          assert.match(String(error), new RegExp(`From ${teller} .*exceeded`));
          return true;
        });
      }
    });

    test("a container learns of a narrow place on its way, and keeps to it", async () => {
      const quote = { teller: client[family], told: shop[family], from: shop[family], to: far[family] };
      await checkError(openTap(shop.sandbox), quote, async () => {
        await shop.sandbox.ask("udp", far[family], 90, { bytes: largeBytes, timeoutMs: 50 });
        await waitForMtu(shop.sandbox, far[family], shop[family], narrowMtuBytes);
      });
      assert.equal(await shop.sandbox.ask("udp", far[family], 90, { bytes: largeBytes }), `far ${shop[family]}`);
    });

    test("servers in a container get long answers through a narrow place", async () => {
      await shop.sandbox.exec("ip", "route", "flush", "cache");
      await shop.sandbox.exec("ip", "-6", "route", "flush", "cache");
      const answer = await world.far.ask("tcp", shop[family], 80);
      assert.equal(answer.length, `shop${".".repeat(99_996)} ${far[family]}`.length);
      await shop.sandbox.exec("ip", "route", "flush", "cache");
      await shop.sandbox.exec("ip", "-6", "route", "flush", "cache");
      // The first answer is what the kernel learns from.
      await world.far.ask("udp", shop[family], 9001, { timeoutMs: 500 });
      assert.equal(await world.far.ask("udp", shop[family], 9001), `${"x".repeat(largeBytes)} ${far[family]}`);
    });

    test("the world learns that a container has a narrow link", async () => {
      await mail.sandbox.ip(`link set eth0 mtu ${pairMtuBytes}`);
      await ipHere(`link set ${mail.endpoint.hostIf} mtu ${pairMtuBytes}`);
      const quote = { teller: host[family], told: client[family], from: client[family], to: mail[family] };
      await checkError(openTap(world.client), quote, async () => {
        await world.client.ask("udp", mail[family], 81, { bytes: largeBytes, timeoutMs: 50 });
        await waitForMtu(world.client, mail[family], client[family], pairMtuBytes);
      });
      assert.equal(await world.client.ask("udp", mail[family], 81, { bytes: largeBytes }), `mail ${client[family]}`);
    });
  });
}

async function waitForMtu(sandbox: Sandbox, to: string, from: string, bytes: number): Promise<void> {
  await waitFor(async () => (await pathMtu(sandbox, to, from)) === bytes, deadlineMs, "the path MTU");
}

test("when a container leaves, its address is unreachable at once, and its pair lets nothing out", async () => {
  const { kernel } = world;
  for (const family of ["ipv4", "ipv6"] as const) {
    assert.equal(await world.client.ask("tcp", apart[family], 80), `apart ${client[family]}`);
  }
  for (const step of planDetachment(networks.apart, apart.endpoint)) {
    if (step.do === "setLinksDown") {
      await kernel.links.setDown(step.names);
    } else if (step.do === "changeElements") {
      await kernel.nft.change(step);
    }
  }
  for (const family of ["ipv4", "ipv6"] as const) {
    assert.match(await world.client.ask("tcp", apart[family], 80), unreachable);
    assert.match(await askHere("tcp", apart[family], 80), unreachable);
  }
  // Even if somebody set it up again.
  await ipHere(`link set ${apart.endpoint.hostIf} up`);
  await using tap = await openTap(world.client);
  assert.equal(await apart.sandbox.ask("udp", client.ipv4, 9, { timeoutMs: 300 }), "timeout");
  assert.equal(await apart.sandbox.ask("udp", client.ipv6, 9, { timeoutMs: 300 }), "timeout");
  assert.equal(await shop.sandbox.ask("udp", client.ipv4, 9), "ECONNREFUSED");
  assert.ok(!tap.packets.some((bytes) => bytes.includes(Buffer.from([10, 20, 2, 2]))));
  const left = planEndpointElements(networks.apart, { ...apart.endpoint, state: "created", claims: [] });
  assert.deepEqual(left, []);
});
