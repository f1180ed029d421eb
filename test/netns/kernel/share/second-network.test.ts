/** A container that shares the host's address and is on a bridge as well, by which it goes out. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { far } from "../far.ts";
import { addresses } from "../host.ts";
import { ipHere, Sandbox } from "../sandbox.ts";
import { buildSharedWorld, type SharedWorld } from "./world.ts";

const { host, client, gateway, first, second } = addresses;
const onBridge = { ipv4: "10.88.0.9", ipv6: "fd00:88::9" } as const;
/** The host's second address, for what goes out by the bridge. */
const other = { ipv4: "192.0.2.2", ipv6: "2001:db8::2" } as const;
/** Ports for udp. */
const claimed = { ipv4: 8004, ipv6: 8006 } as const;
const elements: readonly NftElement[] = [
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  { set: "snat4", key: ["br0"], data: [other.ipv4] },
  { set: "snat6", key: ["br0"], data: [other.ipv6] },
  { set: "publish_any4", key: ["udp", claimed.ipv4], data: [standInOf(1, "ipv4"), claimed.ipv4] },
  { set: "publish_any6", key: ["udp", claimed.ipv6], data: [standInOf(1, "ipv6"), claimed.ipv6] },
];
let world: SharedWorld;
let hostServices: Sandbox;

before(async () => {
  world = await buildSharedWorld({ elements });
  hostServices = await Sandbox.here();
  const { sandbox } = world.shop;
  await ipHere(
    `addr add ${other.ipv4}/32 dev up0`,
    `addr add ${other.ipv6}/128 dev up0 nodad`,
    `link add v9 type veth peer name eth1 netns ${sandbox.pid}`,
    "link set v9 master br0",
    "link set v9 up",
  );
  await sandbox.ip(
    `addr add ${onBridge.ipv4}/24 dev eth1`,
    `addr add ${onBridge.ipv6}/64 dev eth1 nodad`,
    "link set eth1 up",
    `route replace default via ${gateway.ipv4}`,
    "route del ::/0",
    `route add ::/0 via ${gateway.ipv6}`,
  );
  await sandbox.serve("udp", claimed.ipv4, "shop", host.ipv4);
  await sandbox.serve("udp", claimed.ipv6, "shop", host.ipv6);
  for (const protocol of ["tcp", "udp"] as const) {
    await sandbox.serve(protocol, 80, "shop");
    await world.mail.sandbox.serve(protocol, 81, "mail");
    await hostServices.serve(protocol, 82, "host");
    await world.first.serve(protocol, 90, "first");
    await world.client.serve(protocol, 90, "client");
  }
});

after(async () => {
  await hostServices[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

for (const protocol of ["tcp", "udp"] as const) {
  for (const family of ["ipv4", "ipv6"] as const) {
    describe(`${protocol} over ${family}`, () => {
      test("who calls the host's address is answered from it", async () => {
        // Servers for udp that do not say from where they answer do so from where they go out: they bind the address.
        const port = protocol === "tcp" ? 80 : claimed[family];
        assert.equal(await world.client.ask(protocol, host[family], port), `shop ${client[family]}`);
        assert.equal(await world.far.ask(protocol, host[family], port), `shop ${far[family]}`);
        assert.equal(await world.second.ask(protocol, host[family], port), `shop ${second[family]}`);
        assert.equal(await world.mail.sandbox.ask(protocol, host[family], port), `shop ${host[family]}`);
      });

      test("who calls its address on the bridge is answered from that one", async () => {
        assert.equal(await world.second.ask(protocol, onBridge[family], 80), `shop ${second[family]}`);
      });

      test("it goes out by the bridge, and to neighbours there", async () => {
        const { sandbox } = world.shop;
        assert.equal(await sandbox.ask(protocol, client[family], 90), `client ${other[family]}`);
        assert.equal(await sandbox.ask(protocol, first[family], 90), `first ${onBridge[family]}`);
      });

      test("it goes out by the other way when it takes the host's address", async () => {
        const { sandbox } = world.shop;
        const from = { from: host[family] };
        assert.equal(await sandbox.ask(protocol, client[family], 90, from), `client ${host[family]}`);
      });

      test("it reaches the host and other containers by the host's address", async () => {
        const { sandbox } = world.shop;
        assert.equal(await sandbox.ask(protocol, host[family], 82), `host ${host[family]}`);
        assert.equal(await sandbox.ask(protocol, host[family], 81), `mail ${host[family]}`);
      });
    });
  }
}
