import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseEndpointId, parseNetworkId } from "../../../src/model/ids.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import type { BridgeNetwork } from "../../../src/model/network.ts";
import { planBridge, planBridgeElements, planBridgePort } from "../../../src/plan/bridge.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import { type HostFacts, planHostElements } from "../../../src/plan/host.ts";
import {
  bridgeName,
  endpointAlias,
  hostIfName,
  isolatedLinkGroup,
  linkGroup,
  networkAlias,
  sandboxIfName,
} from "../../../src/plan/names.ts";
import { elementLines, FakeNft } from "../../fakes/fake-nft.ts";
import { endpointOf, ip, ipv6Pool, networkOf } from "../../fakes/requests.ts";

const lines = (network: BridgeNetwork): string[] =>
  elementLines(planBridgeElements(network)).map((line) => line.replace("element ", ""));

const always4 = [
  "gateways4 { 10.88.1.1 }",
  "hairpin4 { 10.88.1.0-10.88.1.255 . 10.88.1.0-10.88.1.255 }",
  "intra { fwba001a001a001 . fwba001a001a001 : accept }",
  "own_gateway4 { fwba001a001a001 . 10.88.1.1 }",
];
const always6 = [
  "gateways6 { fd00:88:1::1 }",
  "hairpin6 { fd00:88:1::-fd00:88:1:0:ffff:ffff:ffff:ffff . fd00:88:1::-fd00:88:1:0:ffff:ffff:ffff:ffff }",
  "own_gateway6 { fwba001a001a001 . fd00:88:1::1 }",
];
const only6 = { ipv4: [], ipv6: [ipv6Pool] };
const dual = { ipv6: [ipv6Pool] };
const intra = "intra { fwba001a001a001 . fwba001a001a001 : accept }";
const parted = "isolated { fwba001a001a001 }";
const isolated = "intra { fwba001a001a001 . fwba001a001a001 : goto isolated_peers }";

const cases: [string, Partial<BridgeNetwork>, (string | undefined)[]][] = [
  ["IPv4", {}, [...always4, "masquerade4 { fwba001a001a001 }"]],
  ["IPv6", only6, [...always6, intra, "masquerade6 { fwba001a001a001 }"]],
  ["both", dual, [...always4, ...always6, "masquerade4 { fwba001a001a001 }", "masquerade6 { fwba001a001a001 }"]],
  ["internal", { internal: true }, [...always4, "internal { fwba001a001a001 }"]],
  [
    "internal with a source address",
    { internal: true, snatIpv4: ip("192.0.2.9") },
    [...always4, "internal { fwba001a001a001 }"],
  ],
  ["masquerade=false", { masquerade: false }, always4],
  ["snat_ipv4", { snatIpv4: ip("192.0.2.9") }, [...always4, "snat4 { fwba001a001a001 : 192.0.2.9 }"]],
  [
    "snat_ipv4 on both families",
    { ...dual, snatIpv4: ip("192.0.2.9") },
    [...always4, ...always6, "snat4 { fwba001a001a001 : 192.0.2.9 }", "masquerade6 { fwba001a001a001 }"],
  ],
  ["snat_ipv6 without IPv6", { snatIpv6: ip("2001:db8::9") }, [...always4, "masquerade4 { fwba001a001a001 }"]],
  [
    "snat_ipv6",
    { ...only6, snatIpv6: ip("2001:db8::9") },
    [...always6, intra, "snat6 { fwba001a001a001 : 2001:db8::9 }"],
  ],
  [
    "icc=false",
    { icc: false },
    [...always4.map((line) => (line === intra ? isolated : line)), parted, "masquerade4 { fwba001a001a001 }"],
  ],
  [
    "icc=false and internal",
    { icc: false, internal: true },
    [...always4.map((line) => (line === intra ? isolated : line)), parted, "internal { fwba001a001a001 }"],
  ],
];

describe("elements of a network", () => {
  for (const [name, more, wanted] of cases) {
    test(name, () => {
      assert.deepEqual(lines(networkOf(more)), [...wanted].sort());
    });
  }

  test("without a gateway there is none to guard", () => {
    const elements = lines(networkOf({ ipv4: [{ subnet: parsePrefix("10.88.1.0/24") }] }));
    assert.deepEqual(
      elements.filter((line) => line.includes("gateway")),
      [],
    );
  });

  test("of two pools, neighbours meet across", () => {
    const pools = ["10.88.1.0/24", "10.99.0.0/16"].map((text) => ({ subnet: parsePrefix(text) }));
    const hairpins = lines(networkOf({ ipv4: pools })).filter((line) => line.startsWith("hairpin4"));
    assert.equal(hairpins.length, 4);
  });

  test("fit the ruleset, whatever the options, and can be taken back", async () => {
    const option = fc.record({
      icc: fc.boolean(),
      internal: fc.boolean(),
      masquerade: fc.boolean(),
      ipv6: fc.constantFrom([], [ipv6Pool]),
      snatIpv4: fc.constantFrom(ip("192.0.2.9"), undefined),
      snatIpv6: fc.constantFrom(ip("2001:db8::9"), undefined),
    });
    await fc.assert(
      fc.asyncProperty(option, async ({ snatIpv4, snatIpv6, ...more }) => {
        const network = networkOf({
          ...more,
          ...(snatIpv4 === undefined ? {} : { snatIpv4 }),
          ...(snatIpv6 === undefined ? {} : { snatIpv6 }),
        });
        const nft = new FakeNft();
        await nft.install(planRuleset(), []);
        await nft.change({ add: planBridgeElements(network), remove: [] });
        await nft.change({ add: [], remove: planBridgeElements(network) });
        assert.deepEqual(nft.elements(), []);
      }),
    );
  });
});

const unfiltered = { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false };

describe("elements of the host", () => {
  test("the uplink is known by name, and none where there is no default route", () => {
    assert.deepEqual(elementLines(planHostElements({ ...unfiltered, uplink: "wan0" })), ["element uplinks { wan0 }"]);
  });

  test("::1 is left unpublished while bridged IPv6 is filtered", () => {
    assert.deepEqual(elementLines(planHostElements({ ...unfiltered, bridgedIpv6Filtered: true })), [
      "element unpublished6 { ::1 }",
    ]);
    assert.deepEqual(planHostElements(unfiltered), []);
  });
});

describe("links", () => {
  test("a bridge has the gateways of both families, and IPv6 off unless the network has it", () => {
    const { addresses, ipv6, alias, name } = planBridge(networkOf(dual));
    assert.deepEqual(addresses, [parseInterfaceAddress("10.88.1.1/24"), parseInterfaceAddress("fd00:88:1::1/64")]);
    assert.deepEqual([ipv6, planBridge(networkOf()).ipv6], [true, false]);
    assert.equal(alias, `fairway:network:${networkOf().id}`);
    assert.equal(name, "fwba001a001a001");
  });

  test("a pair takes bridge and MTU from its network and is isolated without icc", () => {
    const endpoint = endpointOf();
    const spec = planBridgePort(networkOf({ mtu: 1400, icc: false }), endpoint, unfiltered);
    assert.deepEqual(spec, {
      host: "fwve001e001e001",
      sandbox: "fwce001e001e001",
      bridge: "fwba001a001a001",
      sandboxMac: endpoint.mac,
      mtu: 1400,
      alias: `fairway:endpoint:${endpoint.id}:${endpoint.networkId}`,
      group: isolatedLinkGroup,
      isolated: true,
    });
    const { isolated, group } = planBridgePort(networkOf(), endpoint, unfiltered);
    assert.deepEqual([isolated, group], [false, linkGroup]);
  });

  test("where bridged packets are filtered, translated ones must pass from port to port", () => {
    const veth = (facts: HostFacts) => planBridgePort(networkOf({ icc: false }), endpointOf(), facts);
    assert.equal(veth({ ...unfiltered, bridgedIpv4Filtered: true }).isolated, false);
    assert.equal(veth({ ...unfiltered, bridgedIpv6Filtered: true }).isolated, false);
  });

  const hexId = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
  const swarmId = fc.string({
    unit: fc.constantFrom(..."0123456789abcdefghijklmnopqrstuvwxyz"),
    minLength: 25,
    maxLength: 25,
  });

  test("names have at most 15 characters, differ where the first 12 of the ids do, and never meet", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.oneof(hexId, swarmId), { selector: (id) => id.slice(0, 12), minLength: 2 }),
        (ids) => {
          const names = ids.flatMap((id) => [
            bridgeName(parseNetworkId(id)),
            hostIfName(parseEndpointId(id)),
            sandboxIfName(parseEndpointId(id)),
          ]);
          assert.ok(names.every((name) => name.length <= 15));
          assert.equal(new Set(names).size, names.length);
        },
      ),
    );
  });

  test("aliases fit the kernel's 255 characters", () => {
    const id = "f".repeat(64);
    assert.ok(endpointAlias(parseEndpointId(id), parseNetworkId(id)).length <= 255);
    assert.ok(networkAlias(parseNetworkId(id)).startsWith("fairway:"));
  });
});
