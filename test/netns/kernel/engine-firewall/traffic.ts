import "../isolation.ts";
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../../../../src/kernel/nft/nfnetlink-nft.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { run } from "../../../lab/exec.ts";
import { addresses, addSideBridge, buildSmallWorld, type SmallWorld } from "../host.ts";
import { ipHere, Sandbox } from "../sandbox.ts";
import { createDockerUser, EngineFilter, engineRules, type Kind, laterEngineRules } from "./rig.ts";

const { host, client, first, side: foreign, sideGateway: foreignGateway } = addresses;
const families = ["ipv4", "ipv6"] as const;
type Family = (typeof families)[number];
const quick = { timeoutMs: 500 };

/** Of another engine; its name tells nothing. */
const foreignBridge = "mynet";
/** Another address of the client. */
const refusedClient = { ipv4: "192.0.2.66", ipv6: "2001:db8::66" };
const bridgedUplink = "br-lan";
const programOf = { ipv4: "iptables", ipv6: "ip6tables" } as const;

const elements: readonly NftElement[] = [
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  ...families.flatMap((family): NftElement[] => {
    const digit = family === "ipv4" ? "4" : "6";
    return [
      { set: `publish_any${digit}`, key: ["tcp", 8080], data: [first[family], 80] },
      { set: `masquerade${digit}`, key: ["br0"] },
    ];
  }),
];

/** Packets through our real table and the engine's policy DROP, for both implementations of iptables. */
export function testEngineFirewallTraffic(kind: Kind): void {
  const transport = new WorkerTransport();
  const nft = new NfnetlinkNft(transport);
  const dockerUser = createDockerUser(transport);
  const filter = new EngineFilter(kind);
  let world: SmallWorld;
  let stranger: Sandbox;

  before(async () => {
    world = await buildSmallWorld();
    stranger = await Sandbox.open();
    await addSideBridge(foreignBridge, stranger, 0);
    await world.client.ip(
      `addr add ${refusedClient.ipv4}/24 dev eth0`,
      `addr add ${refusedClient.ipv6}/64 dev eth0 nodad`,
      ...families.flatMap((family) => [
        `route add ${subnetOf(first[family])} via ${host[family]}`,
        `route add ${subnetOf(foreign[family])} via ${host[family]}`,
      ]),
    );
    await world.first.serve("tcp", 80, "first");
    await world.client.serve("tcp", 80, "client");
    await stranger.serve("tcp", 80, "stranger");
    await stranger.serve("tcp", 81, "stranger");
  });

  after(async () => {
    await stranger[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await transport[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    await dockerUser.retract();
    await filter.load(engineRules);
    await nft.install(planRuleset(), elements);
    await dockerUser.admit();
  });

  const calls: Readonly<Record<string, (family: Family) => Promise<string>>> = {
    in: (family) => world.client.ask("tcp", host[family], 8080, { ...quick, from: client[family] }),
    out: (family) => world.first.ask("tcp", client[family], 80, quick),
  };
  const open = (family: Family) => ({ in: `first ${client[family]}`, out: `client ${host[family]}` });
  const closed = { in: "timeout", out: "timeout" };

  async function reach(family: Family): Promise<Record<string, string>> {
    const answers = Object.entries(calls).map(async ([name, call]) => [name, await call(family)] as const);
    return Object.fromEntries(await Promise.all(answers));
  }

  for (const family of families) {
    test(`${family}: what our table admits passes the engine's DROP, and only with our rule there`, async () => {
      assert.deepEqual(await reach(family), open(family));
      await dockerUser.retract();
      assert.deepEqual(await reach(family), closed);
      await dockerUser.admit();
      assert.deepEqual(await reach(family), open(family));
    });

    test(`${family}: without our table there is no mark, and the engine's DROP holds`, async () => {
      await nft.remove(planRuleset());
      const direct = (): Promise<string> =>
        world.client.ask("tcp", first[family], 80, { ...quick, from: client[family] });
      assert.equal(await direct(), "timeout");
      assert.equal(await world.first.ask("tcp", client[family], 80, quick), "timeout");
      await filter.alter(["-P", "FORWARD", "ACCEPT"], programOf[family]);
      assert.equal(await direct(), `first ${client[family]}`, "the way is there");
    });

    test(`${family}: what our table drops stays dropped, marked or not`, async () => {
      assert.equal(await world.client.ask("tcp", first[family], 80, { ...quick, from: client[family] }), "timeout");
    });

    for (const [name, rules] of [
      ["before a last RETURN", engineRules],
      ["at the end", laterEngineRules],
    ] as const) {
      test(`${family}: a DROP of the administrator keeps its word, with our jump ${name}`, async () => {
        await filter.load(rules);
        const refuse = ["-A", "DOCKER-USER", "-s", refusedClient[family], "-j", "DROP"];
        await filter.alter(rules === engineRules ? ["-I", ...refuse.slice(1)] : refuse, programOf[family]);
        await dockerUser.admit();
        const ask = (from: string): Promise<string> => world.client.ask("tcp", host[family], 8080, { ...quick, from });
        assert.equal(await ask(refusedClient[family]), "timeout");
        assert.equal(await ask(client[family]), `first ${client[family]}`);
      });
    }

    test(`${family}: a foreign bridge is left to its own rules, whatever its name`, async () => {
      assert.equal(await world.first.ask("tcp", foreign[family], 80, quick), "timeout");
      assert.equal(await world.first.ask("tcp", client[family], 80, quick), `client ${host[family]}`);
      const opened = ["-A", "FORWARD", "-o", foreignBridge, "-p", "tcp", "--dport", "81", "-j", "ACCEPT"];
      await filter.alter(opened, programOf[family]);
      assert.equal(await world.first.ask("tcp", foreign[family], 81, quick), `stranger ${foreignGateway[family]}`);
      assert.equal(await world.first.ask("tcp", foreign[family], 80, quick), "timeout");
    });

    test(`${family}: a foreign bridge reaches our published ports, and nothing else by our rule`, async () => {
      const back = [
        "-A",
        "FORWARD",
        "-o",
        foreignBridge,
        "-m",
        "conntrack",
        "--ctstate",
        "ESTABLISHED",
        "-j",
        "ACCEPT",
      ];
      await filter.alter(back, programOf[family]);
      assert.equal(await stranger.ask("tcp", host[family], 8080, quick), `first ${foreign[family]}`);
      assert.equal(await stranger.ask("tcp", first[family], 80, quick), "timeout");
      assert.equal(await stranger.ask("tcp", client[family], 80, quick), "timeout");
      assert.equal(await world.client.ask("tcp", foreign[family], 80, quick), "timeout");
    });
  }

  test("an interface without a kind, as hardware is, is a way out that needs no element", async () => {
    await ipHere("route add 198.51.100.7 dev lo");
    await run(["nft", "-f", "-"], {
      stdin:
        'table ip seen { chain f { type filter hook forward priority 10; iifname "br0" oifname "lo" counter; }; }\n',
    });
    await world.first.ask("udp", "198.51.100.7", 9, quick);
    const seen = await run(["nft", "list", "table", "ip", "seen"]);
    await run(["nft", "delete", "table", "ip", "seen"]);
    await ipHere("route del 198.51.100.7 dev lo");
    assert.match(seen, /counter packets [1-9]/);
  });

  test("an uplink that is a bridge itself is a way out when it is known as the uplink", async () => {
    await ipHere(
      "addr flush dev up0",
      `link add ${bridgedUplink} type bridge`,
      `link set up0 master ${bridgedUplink}`,
      `link set ${bridgedUplink} up`,
      ...families.map((family) => addressCommand(host[family], bridgedUplink)),
    );
    const uplinks: NftElement[] = [{ set: "uplinks", key: [bridgedUplink] }];
    for (const family of families) {
      assert.deepEqual(await reach(family), closed);
      await nft.change({ add: uplinks, remove: [] });
      assert.deepEqual(await reach(family), open(family));
      assert.equal(await world.first.ask("tcp", foreign[family], 80, quick), "timeout");
      await nft.change({ add: [], remove: uplinks });
    }
    await ipHere(`link del ${bridgedUplink}`, ...families.map((family) => addressCommand(host[family], "up0")));
  });
}

function subnetOf(address: string): string {
  return address.includes(":") ? `${address.slice(0, -1)}/64` : `${address.slice(0, -1)}0/24`;
}

function addressCommand(address: string, device: string): string {
  return address.includes(":") ? `addr add ${address}/64 dev ${device} nodad` : `addr add ${address}/24 dev ${device}`;
}
