import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Endpoint, Publication } from "../../../src/model/endpoint.ts";
import { parseInterfaceAddress, prefixContains } from "../../../src/model/ip.ts";
import type { HostNetwork } from "../../../src/model/network.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import { shareLinkGroup } from "../../../src/plan/names.ts";
import { planClaims, planEndpointFlows, planLoopbackClaims } from "../../../src/plan/publish.ts";
import { planFurnishing, planSharedLink, planShareElements } from "../../../src/plan/share.ts";
import { chooseShared } from "../../../src/plan/shared-address.ts";
import { standInCount, standInOf, standInPrefixes, standInSeed } from "../../../src/plan/stand-in.ts";
import {
  planAttachmentElements,
  planEndpointElements,
  planForwarding,
  planNetworkElements,
  planSandbox,
} from "../../../src/plan/wishes.ts";
import { elementLines, FakeNft } from "../../fakes/fake-nft.ts";
import { endpointId, endpointOf, hostNetworkOf, ip, networkOf, port, sandboxKey } from "../../fakes/requests.ts";

const [address4, address6] = [parseInterfaceAddress("192.0.2.10/32"), parseInterfaceAddress("2001:db8::10/128")];
const { ipv4: _, ...bare } = endpointOf({ standIn: 0x34_0713, state: "joined", sandboxKey: sandboxKey(1) });
const dual: Endpoint = { ...bare, ipv4: address4, ipv6: address6 };
const only4: Endpoint = { ...bare, ipv4: address4 };
const only6: Endpoint = { ...bare, ipv6: address6 };
const { sharedIpv6: _shared6, ...network4 } = hostNetworkOf();

const publication = (containerPort: number, hostPort: number, more: Partial<Publication> = {}): Publication => ({
  protocol: "tcp",
  hostAddress: ip("192.0.2.10"),
  hostPortFirst: hostPort,
  hostPortLast: hostPort,
  containerAddress: ip("240.52.7.19"),
  containerPort,
  ...more,
});

describe("stand-in addresses", () => {
  test("are inside their prefixes, whatever the number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: standInCount - 1 }), (number) => {
        assert.ok(prefixContains(standInPrefixes.ipv4, standInOf(number, "ipv4")));
        assert.ok(prefixContains(standInPrefixes.ipv6, standInOf(number, "ipv6")));
      }),
    );
    assert.equal(standInOf(0x34_0713, "ipv4"), "240.52.7.19");
    assert.equal(standInOf(0x34_0713, "ipv6"), "fd66:6169:7277:6179::34:713");
  });

  test("begin at a number that the id alone decides, and never at 0", () => {
    const seeds = Array.from({ length: 200 }, (_unused, index) => standInSeed(endpointId(index)));
    assert.deepEqual(
      seeds,
      seeds.map((_unused, index) => standInSeed(endpointId(index))),
    );
    assert.ok(seeds.every((seed) => Number.isInteger(seed) && seed >= 1 && seed < standInCount));
    assert.ok(new Set(seeds).size > 195, "seldom the same");
    assert.equal(standInSeed("0".repeat(64)), 1);
  });
});

describe("the pair of a container with the host's address", () => {
  test("has the network's gateways on the host's side and is reached by its stand-in addresses", () => {
    assert.deepEqual(planSharedLink(hostNetworkOf({ mtu: 1400 }), dual), {
      host: "fwve001e001e001",
      sandbox: "fwce001e001e001",
      sandboxMac: "02:00:00:00:01:01",
      mtu: 1400,
      alias: `fairway:endpoint:${endpointId(1)}:${hostNetworkOf().id}`,
      group: shareLinkGroup,
      gateways: ["169.254.80.1", "fe80::fa17:0:1"],
      targets: ["240.52.7.19", "fd66:6169:7277:6179::34:713"],
    });
  });

  test("has the family of the endpoint only", () => {
    const { gateways, targets } = planSharedLink(hostNetworkOf(), only6);
    assert.deepEqual([...gateways, ...targets], ["fe80::fa17:0:1", "fd66:6169:7277:6179::34:713"]);
  });

  test("the host forwards the families that the network shares", () => {
    assert.deepEqual(planForwarding(hostNetworkOf()), ["ipv4", "ipv6"]);
    assert.deepEqual(planForwarding(network4), ["ipv4"]);
  });
});

describe("packet filter elements", () => {
  const lines = (elements: Parameters<typeof elementLines>[0]): string[] =>
    elementLines(elements).map((line) => line.replace("element ", ""));

  test("of a network are its gateways", () => {
    assert.deepEqual(lines(planNetworkElements(hostNetworkOf())), [
      "gateways4 { 169.254.80.1 }",
      "gateways6 { fe80::fa17:0:1 }",
    ]);
  });

  test("of an attached endpoint lead from its pair to the host's address and back", () => {
    assert.deepEqual(lines(planShareElements(hostNetworkOf(), dual)), [
      "own_gateway4 { fwve001e001e001 . 169.254.80.1 }",
      "own_gateway6 { fwve001e001e001 . fe80::fa17:0:1 }",
      "real4 { fwve001e001e001 : 192.0.2.10 }",
      "real6 { fwve001e001e001 : 2001:db8::10 }",
      "shared4 { fwve001e001e001 : 192.0.2.10 }",
      "shared6 { fwve001e001e001 : 2001:db8::10 }",
      "stand_in4 { fwve001e001e001 . 192.0.2.10 : 240.52.7.19 }",
      "stand_in6 { fwve001e001e001 . 2001:db8::10 : fd66:6169:7277:6179::34:713 }",
    ]);
  });

  test("after a change of the host's address keep what the container knows, and show the world the new one", () => {
    const network = hostNetworkOf({ sharedIpv4: ip("192.0.2.77") });
    assert.deepEqual(lines(planShareElements(network, only4)).slice(1), [
      "real4 { fwve001e001e001 : 192.0.2.10 }",
      "shared4 { fwve001e001e001 : 192.0.2.77 }",
      "stand_in4 { fwve001e001e001 . 192.0.2.10 : 240.52.7.19 }",
    ]);
  });

  test("fit into the ruleset, with those of claims and publications", async () => {
    const endpoint = { ...dual, claims: [publication(80, 80)], publications: [publication(80, 8080)] };
    const elements = [...planNetworkElements(hostNetworkOf()), ...planEndpointElements(hostNetworkOf(), endpoint)];
    const nft = new FakeNft();
    await nft.install(planRuleset(), elements);
    assert.deepEqual(elementLines(nft.elements()), elementLines(elements));
    assert.ok(lines(elements).includes("publish_address4 { 192.0.2.10 . tcp . 80 : 240.52.7.19 . 80 }"));
    assert.ok(lines(elements).includes("publish_address4 { 192.0.2.10 . tcp . 8080 : 240.52.7.19 . 80 }"));
  });

  test("do not exist before the first join, nor on a bridge", () => {
    assert.deepEqual(planAttachmentElements(hostNetworkOf(), endpointOf({ ipv4: address4 })), []);
    assert.deepEqual(planAttachmentElements(networkOf(), endpointOf({ state: "joined" })), []);
  });
});

describe("the sandbox", () => {
  test("gets a way to the host's address per family, in a table of the network's own", () => {
    const { note: _note, ...spec } = planFurnishing(hostNetworkOf(), dual);
    assert.deepEqual(spec, {
      sharesAddress: true,
      hostIf: "fwve001e001e001",
      sandboxKey: sandboxKey(1),
      mac: "02:00:00:00:01:01",
      table: 0xfa_5001,
      routes: [
        { address: "192.0.2.10", gateway: "169.254.80.1" },
        { address: "2001:db8::10", gateway: "fe80::fa17:0:1" },
      ],
    });
    assert.equal(planFurnishing(hostNetworkOf({}, 2), dual).table, 0xfa_5002);
  });

  test("of a bridge, or of nobody yet, needs nothing", () => {
    const { sandboxKey: _key, ...unattached } = dual;
    assert.equal(planSandbox(hostNetworkOf(), unattached), undefined);
    assert.equal(planSandbox(networkOf(), endpointOf({ sandboxKey: sandboxKey(1) })), undefined);
    assert.equal(planSandbox(hostNetworkOf(), dual)?.table, 0xfa_5001);
  });

  const note = (publications: readonly Publication[]): string =>
    planFurnishing(hostNetworkOf(), { ...dual, publications, claims: [publication(443, 443)] }).note;

  test("is told which numbers of the host lead to it, each once, and not what it claims anyway", () => {
    const loopback = { hostAddress: ip("127.0.0.1") };
    const udp = publication(53, 20_101, { protocol: "udp" });
    assert.equal(note([publication(80, 20_017), publication(80, 20_017, loopback), udp]), "80/tcp=20017 53/udp=20101");
    assert.equal(note([publication(70, 7000, { hostPortLast: 7002 })]), "70/tcp=7000 71/tcp=7001 72/tcp=7002");
    assert.equal(note([]), "");
  });

  test("is told whole entries only, in no more than an alias holds", () => {
    const all = note([publication(10_000, 20_000, { hostPortLast: 20_999 })]);
    assert.ok(all.length <= 254 && all.length > 254 - " 10000/tcp=20000".length);
    assert.match(all, /^(\d{5}\/tcp=\d{5}( |$))+$/);
  });
});

describe("which address is shared", () => {
  const at = (address: string, device: string) => ({ address: ip(address), device });
  const present = [
    at("192.0.2.10", "eth0"),
    at("2001:db8::10", "eth0"),
    at("198.51.100.1", "eth1"),
    at("192.0.2.11", "eth0"),
  ];
  const any = { hostAddresses: [] };
  const choices: [string, Partial<HostNetwork>, string | undefined, object][] = [
    ["the uplink's first of each family", {}, "eth0", { ipv4: "192.0.2.10", ipv6: "2001:db8::10" }],
    ["the parent's instead", { parent: "eth1" as never }, "eth0", { ipv4: "198.51.100.1" }],
    [
      "those that were chosen, wherever they are",
      { hostAddresses: [ip("192.0.2.11")] },
      "eth1",
      { ipv4: "192.0.2.11" },
    ],
    ["none that the host does not have", { hostAddresses: [ip("192.0.2.99")] }, "eth0", {}],
    ["none without a default route", {}, undefined, {}],
    ["none of an interface that has none", { parent: "eth7" as never }, "eth0", {}],
  ];
  for (const [name, network, uplink, wanted] of choices) {
    test(name, () => {
      assert.deepEqual(chooseShared({ ...any, ...network }, present, uplink), wanted);
    });
  }
});

describe("ports with the host's address", () => {
  const claims = (texts: readonly string[], network: HostNetwork, endpoint: Endpoint) =>
    planClaims(network, endpoint, texts.map(port));
  const addresses = (text: string, network = hostNetworkOf(), endpoint = dual) =>
    claims([text], network, endpoint)[0]?.claim.addresses;

  test("go to the shared addresses of the endpoint's families, unless one is named", () => {
    assert.deepEqual(addresses("80:80"), ["192.0.2.10", "2001:db8::10"]);
    assert.deepEqual(addresses("80:80", hostNetworkOf(), only4), ["192.0.2.10"]);
    assert.deepEqual(addresses("127.0.0.1:80:80"), ["127.0.0.1"]);
    assert.throws(() => addresses("[::1]:80:80", network4, only4), { code: "FW3006" });
  });

  test("without a number come from the network's range, and neighbours begin at different places", () => {
    const network = hostNetworkOf({ dynamicPorts: { first: 40_000, last: 40_009 } });
    const start = (standIn: number, text = "0:80"): number | undefined => {
      const [planned] = claims([text], network, { ...dual, standIn });
      assert.equal(planned?.claim.first, 40_000);
      assert.equal(planned?.claim.last, 40_009);
      return planned?.claim.start;
    };
    const starts = [1, 2, 3, 4].map((standIn) => start(standIn));
    assert.ok(starts.every((one) => one !== undefined && one >= 40_000 && one <= 40_009));
    assert.equal(new Set(starts).size, 4);
    assert.notEqual(start(1, "0:81"), start(1));
    assert.deepEqual(claims(["8080-8090:80"], network, dual)[0]?.claim.last, 8090);
  });

  test("are claimed on loopback, too, at the number that was granted, each address by itself", () => {
    const planned = claims(["0:80", "127.0.0.1:8080:81"], hostNetworkOf(), dual);
    const more = planLoopbackClaims(hostNetworkOf(), dual, planned, [20_017, 8080]);
    assert.deepEqual(
      more.map(({ claim, containerPort }) => [claim.addresses, claim.first, claim.last, containerPort]),
      [
        [["127.0.0.1"], 20_017, 20_017, 80],
        [["::1"], 20_017, 20_017, 80],
      ],
    );
    assert.deepEqual(planLoopbackClaims(networkOf(), endpointOf(), planned, [1, 2]), [], "not on a bridge");
  });

  test("flows of an endpoint are those of its stand-in addresses", () => {
    assert.deepEqual(planEndpointFlows(dual), [
      { kind: "address", address: "240.52.7.19" },
      { kind: "address", address: "fd66:6169:7277:6179::34:713" },
    ]);
  });
});
