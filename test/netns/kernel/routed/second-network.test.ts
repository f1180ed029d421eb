/** A container in two routed networks: it answers where it was asked, whatever its default route says. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { far } from "../far.ts";
import { addresses } from "../host.ts";
import { buildRoutedWorld, type Flat, networks, type RoutedWorld } from "./world.ts";

const { client } = addresses;
let world: RoutedWorld;
let inApp: Flat;
let inOpen: Flat;
let neighbour: Flat;
let openNeighbour: Flat;

before(async () => {
  world = await buildRoutedWorld();
  inApp = await world.open(networks.app, 2, ["80:80", "80:80/udp"]);
  inOpen = await world.join(networks.open, 2, inApp.sandbox);
  neighbour = await world.open(networks.app, 3);
  openNeighbour = await world.open(networks.open, 3);
  for (const protocol of ["tcp", "udp"] as const) {
    await inApp.sandbox.serve(protocol, 80, "both");
    await inApp.sandbox.serve(protocol, 99, "both");
    await neighbour.sandbox.serve(protocol, 99, "neighbour");
    await openNeighbour.sandbox.serve(protocol, 99, "open");
    await world.client.serve(protocol, 90, "client");
  }
});

after(() => world[Symbol.asyncDispose]());

for (const family of ["ipv4", "ipv6"] as const) {
  test(`tcp over ${family}: the world reaches it at either address`, async () => {
    assert.equal(await world.far.ask("tcp", inApp[family], 80), `both ${far[family]}`);
    assert.equal(await world.far.ask("tcp", inOpen[family], 99), `both ${far[family]}`);
    assert.equal(await world.client.ask("tcp", inApp[family], 99, { timeoutMs: 400 }), "timeout");
  });

  for (const protocol of ["tcp", "udp"] as const) {
    test(`${protocol} over ${family}: it calls each network's neighbours from its address there`, async () => {
      const { sandbox } = inApp;
      assert.equal(await sandbox.ask(protocol, neighbour[family], 99), `neighbour ${inApp[family]}`);
      assert.equal(await sandbox.ask(protocol, openNeighbour[family], 99), `open ${inOpen[family]}`);
      assert.equal(await sandbox.ask(protocol, client[family], 90), `client ${inApp[family]}`);
      const fromOpen = { from: inOpen[family] };
      assert.equal(await sandbox.ask(protocol, client[family], 90, fromOpen), `client ${inOpen[family]}`);
    });
  }
}
