/** Addresses that somebody has no right to: as source, and as destination. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Family } from "../../../../src/model/ip.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { run } from "../../../lab/exec.ts";
import { far } from "../far.ts";
import { addresses, writeSysctl } from "../host.ts";
import { parsePacket } from "../packet.ts";
import { ipHere, Sandbox, withAddress } from "../sandbox.ts";
import { openTap } from "../tap.ts";
import { buildSharedWorld, type SharedWorld, sharedNetwork } from "./world.ts";

const { host, client, gateway, second } = addresses;
const quick = { timeoutMs: 400 };
const otherGateway = { ipv4: "169.254.80.2", ipv6: "fe80::fa17:0:2" } as const;
const ownGateway = { ipv4: sharedNetwork.gatewayIpv4, ipv6: sharedNetwork.gatewayIpv6 };
const [shopNumber, mailNumber, nobody] = [1, 2, 77];
const elements: readonly NftElement[] = [
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  { set: "masquerade4", key: ["br0"] },
  { set: "masquerade6", key: ["br0"] },
  { set: "own_gateway4", key: ["br0", gateway.ipv4] },
  { set: "own_gateway6", key: ["br0", gateway.ipv6] },
  { set: "gateways4", key: [gateway.ipv4] },
  { set: "gateways6", key: [gateway.ipv6] },
  { set: "gateways4", key: [otherGateway.ipv4] },
];
let world: SharedWorld;
let hostServices: Sandbox;

before(async () => {
  world = await buildSharedWorld({ elements });
  hostServices = await Sandbox.here();
  for (const protocol of ["tcp", "udp"] as const) {
    await world.shop.sandbox.serve(protocol, 80, "shop");
    await world.mail.sandbox.serve(protocol, 81, "mail");
    await world.client.serve(protocol, 90, "client");
    await hostServices.serve(protocol, 82, "host");
  }
  // Whatever the host's own filter of reverse paths would drop, we must not rely on it.
  writeSysctl("net/ipv4/conf/up0/rp_filter", "0");
});

after(async () => {
  await hostServices[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

/** Packets of one family that chain guard has dropped because of their source. */
async function dropped(family: Family): Promise<number> {
  const text = await run(["nft", "-a", "list", "chain", "inet", "fairway", "guard"]);
  const mark =
    family === "ipv4" ? /(ip saddr 240\S+|nfproto ipv4) counter/ : /(ip6 saddr fd66\S+|nfproto ipv6) counter/;
  const counts = text.split("\n").filter((line) => mark.test(line));
  return counts.reduce((sum, line) => sum + Number(/packets (\d+)/.exec(line)?.[1]), 0);
}

for (const family of ["ipv4", "ipv6"] as const satisfies readonly Family[]) {
  describe(family, () => {
    for (const [what, source] of [
      ["somebody else's address", second[family]],
      ["an address of the world", far[family]],
      ["its own stand-in address", standInOf(shopNumber, family)],
      ["another's stand-in address", standInOf(mailNumber, family)],
      ["a stand-in address that nobody has", standInOf(nobody, family)],
    ] as const) {
      test(`a container cannot send from ${what}`, async () => {
        await using tap = await openTap(world.client);
        const { sandbox } = world.shop;
        const before = await dropped(family);
        await withAddress(sandbox, source, async () => {
          const forged = { ...quick, from: source };
          const answers = await Promise.all([
            sandbox.ask("udp", client[family], 90, forged),
            sandbox.ask("udp", host[family], 81, forged),
            sandbox.ask("udp", host[family], 82, forged),
            sandbox.ask("tcp", client[family], 90, forged),
          ]);
          assert.deepEqual(answers, Array(4).fill("timeout"));
        });
        assert.ok((await dropped(family)) >= before + 4);
        assert.equal(await sandbox.ask("udp", client[family], 90), `client ${host[family]}`);
        await tap.find("the honest packet", (bytes) => parsePacket(bytes)?.source === host[family]);
        assert.ok(!tap.packets.some((bytes) => parsePacket(bytes)?.source === source));
      });
    }

    test("stand-in addresses lead nowhere, from outside, from a bridge and from a container", async () => {
      const [shop, mail, none] = [shopNumber, mailNumber, nobody].map((number) => standInOf(number, family));
      assert.ok(shop !== undefined && mail !== undefined && none !== undefined);
      await world.client.ip(...[shop, mail, none].map((address) => `route add ${address} via ${host[family]}`));
      const cases = [
        [world.client, 80, shop],
        [world.client, 80, none],
        [world.first, 80, shop],
        [world.first, 80, none],
        [world.shop.sandbox, 81, mail],
        [world.shop.sandbox, 80, shop],
      ] as const;
      const asked = cases.flatMap(([sandbox, port, address]) =>
        (["tcp", "udp"] as const).map((protocol) => sandbox.ask(protocol, address, port, quick)),
      );
      for (const answer of await Promise.all(asked)) {
        assert.match(answer, /^(timeout|EHOSTUNREACH|ENETUNREACH)$/);
      }
    });

    test("no packet on the uplink bears a stand-in address", async () => {
      await using tap = await openTap(world.client);
      await world.shop.sandbox.ask("tcp", client[family], 90);
      await world.shop.sandbox.ask("udp", client[family], 9);
      await world.client.ask("tcp", host[family], 80);
      await world.client.ask("udp", host[family], 9);
      await world.client.ask("udp", host[family], 81);
      const isStandIn = (address = ""): boolean => /^(240\.|fd66:6169:7277:6179:)/.test(address);
      await tap.find("the last answer", (bytes) => parsePacket(bytes)?.payload.readUInt16BE(0) === 81);
      const bearing = tap.packets
        .map(parsePacket)
        .filter((one) => isStandIn(one?.source) || isStandIn(one?.destination));
      assert.deepEqual(bearing, []);
    });

    test("a container reaches the host by its own gateway, and not by another network's", async () => {
      const { sandbox } = world.shop;
      const zone = family === "ipv6" ? "%eth0" : "";
      const answer = await sandbox.ask("tcp", `${ownGateway[family]}${zone}`, 82, { from: host[family] });
      assert.equal(answer, `host ${host[family]}`);
      assert.equal(await sandbox.ask("tcp", gateway[family], 82, quick), "timeout");
      assert.equal(await world.first.ask("tcp", ownGateway.ipv4, 82, quick), "timeout");
    });
  });
}

test("what is addressed to another network's gateway is dropped", async () => {
  await ipHere(`addr add ${otherGateway.ipv4}/32 dev up0`);
  assert.equal(await world.shop.sandbox.ask("tcp", otherGateway.ipv4, 82, quick), "timeout");
  assert.equal(await world.first.ask("tcp", otherGateway.ipv4, 82, quick), "timeout");
  await ipHere(`addr del ${otherGateway.ipv4}/32 dev up0`);
});

test("a container cannot call what listens on the host's loopback", async () => {
  await hostServices.serve("tcp", 83, "loopback", "127.0.0.1");
  const { sandbox } = world.shop;
  await sandbox.ip(`route add 127.0.0.53 via ${ownGateway.ipv4} dev eth0 src ${host.ipv4} table 7`);
  await sandbox.ip("rule add pref 2 to 127.0.0.53 lookup 7");
  await sandbox.exec("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
  assert.equal(await sandbox.ask("tcp", host.ipv4, 83), "ECONNREFUSED");
  assert.equal(await sandbox.ask("udp", "127.0.0.53", 82, { ...quick, from: host.ipv4 }), "timeout");
});
