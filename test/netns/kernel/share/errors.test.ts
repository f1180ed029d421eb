/** ICMP errors quote a packet: its sender must find itself in it, whichever side of the host it is on. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Family } from "../../../../src/model/ip.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { waitFor } from "../../../lab/wait.ts";
import { far, narrowMtuBytes } from "../far.ts";
import { addresses } from "../host.ts";
import { checkError, pathMtu } from "../icmp.ts";
import { askHere, ipHere } from "../sandbox.ts";
import { openTap } from "../tap.ts";
import { buildSharedWorld, type SharedWorld } from "./world.ts";

const { host, client } = addresses;
const closedPort = 9;
/** Of the pairs; smaller than every other link's. */
const pairMtuBytes = 1290;
/** Too large for the narrow link, not for the others. */
const largeBytes = 1400;
const deadlineMs = 5000;
/** Ports of a server for udp, by family. */
const careless = { ipv4: 84, ipv6: 86 } as const;
let world: SharedWorld;

before(async () => {
  const elements: readonly NftElement[] = [
    { set: "publish_any4", key: ["udp", careless.ipv4], data: [standInOf(1, "ipv4"), careless.ipv4] },
    { set: "publish_any6", key: ["udp", careless.ipv6], data: [standInOf(1, "ipv6"), careless.ipv6] },
  ];
  world = await buildSharedWorld({ elements });
  await world.far.serve("udp", 90, "far");
  await world.far.serve("tcp", 90, "far".padEnd(100_000, "."));
  await world.shop.sandbox.serve("tcp", 80, "shop".padEnd(100_000, "."));
  await world.mail.sandbox.serve("udp", 81, "mail");
});

after(() => world[Symbol.asyncDispose]());

for (const family of ["ipv4", "ipv6"] as const satisfies readonly Family[]) {
  describe(family, () => {
    test("a container learns that nobody listens at a port of the world", async () => {
      const { sandbox } = world.shop;
      const quote = { teller: far[family], told: host[family], from: host[family], to: far[family] };
      await checkError(openTap(sandbox), quote, async () => {
        assert.equal(await sandbox.ask("udp", far[family], closedPort), "ECONNREFUSED");
      });
    });

    test("the world learns that nobody listens at a claimed port", async () => {
      const quote = { teller: host[family], told: far[family], from: far[family], to: host[family] };
      await checkError(openTap(world.far), quote, async () => {
        assert.equal(await world.far.ask("udp", host[family], 80), "ECONNREFUSED");
      });
    });

    test("so do the host, another container and the container itself", async () => {
      assert.equal(await askHere("udp", host[family], 80), "ECONNREFUSED");
      assert.equal(await askHere("udp", family === "ipv4" ? "127.0.0.1" : "::1", 80), "ECONNREFUSED");
      assert.equal(await world.mail.sandbox.ask("udp", host[family], 80), "ECONNREFUSED");
      assert.equal(await world.shop.sandbox.ask("udp", host[family], 80), "ECONNREFUSED");
      assert.equal(await world.first.ask("udp", host[family], 80), "ECONNREFUSED");
    });

    test("a container learns that nobody listens at a port of the host", async () => {
      const { sandbox } = world.shop;
      const quote = { teller: host[family], told: host[family], from: host[family], to: host[family] };
      await checkError(openTap(sandbox), quote, async () => {
        assert.equal(await sandbox.ask("udp", host[family], closedPort), "ECONNREFUSED");
      });
    });

    test("a container sees every station on its way", async () => {
      for (const [hops, teller] of [
        // The host, by whichever of its addresses.
        ["1", "\\S+"],
        ["2", client[family]],
      ] as const) {
        const option = family === "ipv4" ? "-4" : "-6";
        const argv = ["ping", option, "-n", "-c", "1", "-W", "3", "-t", hops, far[family]];
        await assert.rejects(world.shop.sandbox.exec(...argv), (error) => {
          assert.match(String(error), new RegExp(`From ${teller} .*exceeded`));
          return true;
        });
      }
    });

    test("a container learns of a narrow place on its way, and keeps to it", async () => {
      const { sandbox } = world.shop;
      const quote = { teller: client[family], told: host[family], from: host[family], to: far[family] };
      await checkError(openTap(sandbox), quote, async () => {
        assert.equal(await pathMtu(sandbox, far[family], host[family]), undefined);
        await sandbox.ask("udp", far[family], 90, { bytes: largeBytes, from: host[family], timeoutMs: 50 });
        await waitFor(
          async () => (await pathMtu(sandbox, far[family], host[family])) === narrowMtuBytes,
          deadlineMs,
          "the path MTU",
        );
      });
      const bound = { bytes: largeBytes, from: host[family] };
      assert.equal(await sandbox.ask("udp", far[family], 90, bound), `far ${host[family]}`);
      // The other container has not been told.
      assert.equal(await pathMtu(world.mail.sandbox, far[family], host[family]), undefined);
    });

    test("a server in a container gets a long answer through a narrow place", async () => {
      await world.shop.sandbox.exec("ip", "route", "flush", "cache");
      const answer = await world.far.ask("tcp", host[family], 80);
      assert.equal(answer.length, `shop${".".repeat(99_996)} ${far[family]}`.length);
    });

    test("a server that does not choose its source address learns of a narrow place, too", async () => {
      const { sandbox } = world.shop;
      await sandbox.exec("ip", "route", "flush", "cache");
      await sandbox.exec("ip", "-6", "route", "flush", "cache");
      const port = careless[family];
      const long = "x".repeat(largeBytes);
      await sandbox.serve("udp", port, long, family === "ipv4" ? "0.0.0.0" : "::");
      // The first answer is what the kernel learns from.
      await world.far.ask("udp", host[family], port, { timeoutMs: 500 });
      assert.equal(await world.far.ask("udp", host[family], port), `${long} ${far[family]}`);
    });

    test("the world learns that a container has a narrow link", async () => {
      const { sandbox, endpoint } = world.mail;
      await sandbox.ip(`link set eth0 mtu ${pairMtuBytes}`);
      await ipHere(`link set ${endpoint.hostIf} mtu ${pairMtuBytes}`);
      const quote = { teller: host[family], told: client[family], from: client[family], to: host[family] };
      await checkError(openTap(world.client), quote, async () => {
        await world.client.ask("udp", host[family], 81, { bytes: largeBytes, timeoutMs: 50 });
        await waitFor(
          async () => (await pathMtu(world.client, host[family], client[family])) === pairMtuBytes,
          deadlineMs,
          "the path MTU",
        );
      });
      assert.equal(await world.client.ask("udp", host[family], 81, { bytes: largeBytes }), `mail ${client[family]}`);
    });
  });
}
