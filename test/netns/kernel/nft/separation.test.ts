/** What must not pass: frames between neighbours with icc=false, and anything out of an internal network. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../../../../src/kernel/nft/nfnetlink-nft.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import { isolatedLinkGroup, linkGroup } from "../../../../src/plan/names.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { addresses, addSideBridge, buildSmallWorld, type SmallWorld, writeSysctl } from "../host.ts";
import { ipHere, Sandbox } from "../sandbox.ts";

const transport = new WorkerTransport();
const nft = new NfnetlinkNft(transport);
const { host, client, gateway, first, second, side } = addresses;
const families = ["ipv4", "ipv6"] as const;
type Family = (typeof families)[number];
const quick = { timeoutMs: 700 };
const isolated: readonly NftElement[] = [
  { set: "isolated", key: ["br0"] },
  { set: "intra", key: ["br0", "br0"], data: { goto: "isolated_peers" } },
];
const together: readonly NftElement[] = [{ set: "intra", key: ["br0", "br0"], data: "accept" }];

function elements(more: readonly NftElement[]): NftElement[] {
  const subnets = {
    ipv4: { from: "10.88.0.0", to: "10.88.0.255" },
    ipv6: { from: "fd00:88::", to: "fd00:88::ffff" },
  } as const;
  return [
    ...more,
    ...families.flatMap((family): NftElement[] => {
      const digit = family === "ipv4" ? "4" : "6";
      return [
        { set: `publish_any${digit}`, key: ["tcp", 8080], data: [first[family], 80] },
        { set: `publish_any${digit}`, key: ["udp", 8081], data: [first[family], 80] },
        { set: `publish_any${digit}`, key: ["udp", 8082], data: [side[family], 80] },
        { set: `hairpin${digit}`, key: [subnets[family], subnets[family]] },
        { set: `masquerade${digit}`, key: ["br0"] },
        { set: `own_gateway${digit}`, key: ["br0", gateway[family]] },
        { set: `gateways${digit}`, key: [gateway[family]] },
      ];
    }),
  ];
}

let world: SmallWorld;
let outsider: Sandbox;

before(async () => {
  world = await buildSmallWorld();
  outsider = await Sandbox.open();
  await addSideBridge("br1", outsider, linkGroup);
  for (const [sandbox, name] of [
    [world.first, "first"],
    [world.second, "second"],
    [world.client, "client"],
    [outsider, "outsider"],
  ] as const) {
    await sandbox.serve("tcp", 80, name);
    await sandbox.serve("udp", 80, name);
  }
});

after(async () => {
  await outsider[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await transport[Symbol.asyncDispose]();
});

async function setPorts(group: number, isIsolated: boolean): Promise<void> {
  await ipHere(
    ...["v1", "v2"].flatMap((port) => [
      `link set ${port} group ${group}`,
      `link set ${port} type bridge_slave isolated ${isIsolated ? "on" : "off"}`,
    ]),
  );
}

function neighbourEntry(family: Family): Promise<string> {
  return world.second.exec("ip", "neigh", "show", "to", first[family], "dev", "eth0");
}

async function macOf(sandbox: Sandbox): Promise<string> {
  const [link] = JSON.parse(await sandbox.exec("ip", "-json", "link", "show", "dev", "eth0")) as { address: string }[];
  return link?.address ?? "";
}

function askDirectly(family: Family): Promise<string> {
  return world.second.ask("tcp", first[family], 80, quick);
}

for (const filtered of ["0", "1"] as const) {
  describe(`neighbours with bridge-nf-call ${filtered}`, () => {
    before(async () => {
      writeSysctl("net/bridge/bridge-nf-call-iptables", filtered);
      writeSysctl("net/bridge/bridge-nf-call-ip6tables", filtered);
    });

    beforeEach(async () => {
      await world.second.exec("ip", "neigh", "flush", "dev", "eth0");
    });

    for (const family of families) {
      test(`${family}: without icc=false they meet`, async () => {
        await nft.install(planRuleset(), elements(together));
        await setPorts(linkGroup, false);
        assert.equal(await askDirectly(family), `first ${second[family]}`);
        assert.match(await neighbourEntry(family), /lladdr/);
      });

      describe(`${family} and icc=false`, () => {
        // As the driver makes ports: where bridged packets visit the filter, the filter alone keeps them apart.
        beforeEach(async () => {
          await nft.install(planRuleset(), elements(isolated));
          await setPorts(isolatedLinkGroup, filtered === "0");
        });

        test("they meet at published ports, and a container meets itself there", async () => {
          for (const target of [host[family], gateway[family]]) {
            assert.equal(await world.second.ask("tcp", target, 8080), `first ${gateway[family]}`);
            assert.equal(await world.second.ask("udp", target, 8081), `first ${gateway[family]}`);
            assert.equal(await world.first.ask("tcp", target, 8080), `first ${gateway[family]}`);
          }
        });

        test("callers and called outside are reached as ever", async () => {
          assert.equal(await world.client.ask("tcp", host[family], 8080), `first ${client[family]}`);
          assert.equal(await world.second.ask("tcp", client[family], 80), `client ${host[family]}`);
        });

        test("directly they do not, and do not even learn where the other is", async () => {
          assert.match(await askDirectly(family), /^(timeout|EHOSTUNREACH)$/);
          assert.doesNotMatch(await neighbourEntry(family), /lladdr/);
        });

        test("knowing where the other is does not help, nor does the way over the gateway", async () => {
          await world.second.ip(
            `neigh replace ${first[family]} lladdr ${await macOf(world.first)} dev eth0 nud permanent`,
          );
          assert.equal(await askDirectly(family), "timeout");
          await world.second.ip(
            `neigh del ${first[family]} dev eth0`,
            `route add ${first[family]} via ${gateway[family]}`,
          );
          assert.equal(await askDirectly(family), "timeout");
          await world.second.ip(`route del ${first[family]}`);
        });
      });
    }

    test("the port's own flag is not needed: the bridge's table alone stops frames of any protocol", async () => {
      await nft.install(planRuleset(), elements(isolated));
      await setPorts(isolatedLinkGroup, false);
      for (const family of families) {
        assert.match(await askDirectly(family), /^(timeout|EHOSTUNREACH)$/);
        assert.doesNotMatch(await neighbourEntry(family), /lladdr/);
      }
    });
  });
}

for (const family of families) {
  test(`${family}: what belongs to an old flow does not pass out of an internal network, nor into it`, async () => {
    await setPorts(linkGroup, false);
    await nft.install(planRuleset(), elements(together));
    const flows: readonly (() => Promise<string>)[] = [
      // To a neighbouring network, from it, and to the outside: always the same flow, as conntrack sees it.
      () => world.first.ask("udp", host[family], 8082, { ...quick, fromPort: 5001 }),
      () => outsider.ask("udp", host[family], 8081, { ...quick, fromPort: 5002 }),
      () => world.first.ask("udp", client[family], 80, { ...quick, fromPort: 5003 }),
    ];
    const askAll = async (): Promise<string[]> => {
      const answers: string[] = [];
      for (const ask of flows) {
        answers.push((await ask()).replace(/ .*/, ""));
      }
      return answers;
    };
    assert.deepEqual(await askAll(), ["outsider", "first", "client"]);
    await nft.change({ add: [{ set: "internal", key: ["br0"] }], remove: [] });
    assert.deepEqual(await askAll(), ["timeout", "timeout", "timeout"]);
    await nft.change({ add: [], remove: [{ set: "internal", key: ["br0"] }] });
    assert.deepEqual(await askAll(), ["outsider", "first", "client"]);
  });
}
