import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AddressStanding } from "../../../src/model/block.ts";
import type { Endpoint } from "../../../src/model/endpoint.ts";
import {
  boundsOf,
  fromBigInt,
  hostOf,
  parseInterfaceAddress,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixLengthOf,
  toBigInt,
} from "../../../src/model/ip.ts";
import type { RoutedNetwork } from "../../../src/model/network.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import { flatLinkGroup, routeMetrics, sandboxTable } from "../../../src/plan/names.ts";
import { planPublicationElements } from "../../../src/plan/publish.ts";
import {
  planBlockRoutes,
  planFlatElements,
  planFlatForwarding,
  planFlatFurnishing,
  planFlatLink,
  planFlatNetworkElements,
  planFlatRoutes,
  planNeighbourRoutes,
  planReachable,
  type StandingOf,
  subnetsOfFamily,
} from "../../../src/plan/routed.ts";
import { inverseOf, type Step } from "../../../src/plan/steps.ts";
import {
  networkLinkNames,
  planAttachment,
  planAttachmentElements,
  planDetachment,
  planEndpointElements,
  planEndpointRoutes,
  planForwarding,
  planNetworkElements,
  planNetworkLinks,
  planNetworkRoutes,
  planSandbox,
} from "../../../src/plan/wishes.ts";
import { elementLines, FakeNft } from "../../fakes/fake-nft.ts";
import {
  endpointId,
  endpointOf,
  ip,
  networkOf,
  port,
  routedEndpointOf,
  routedNetworkOf,
  sandboxKey,
} from "../../fakes/requests.ts";

const { announced, local } = routeMetrics;
const network = routedNetworkOf();
const joined = routedEndpointOf({ state: "joined", sandboxKey: sandboxKey(1) });
const { ipv4: _4, ...only6 } = joined;
const { ipv6: _6, ...only4 } = joined;
const pools = (...subnets: readonly string[]) => subnets.map((subnet) => ({ subnet: parsePrefix(subnet) }));
const lines = (elements: Parameters<typeof elementLines>[0]): string[] =>
  elementLines(elements).map((line) => line.replace("element ", ""));

describe("the pair of a flat address", () => {
  test("leads to the container's own addresses, by the network's gateways", () => {
    assert.deepEqual(planFlatLink(routedNetworkOf({ mtu: 1400 }), joined), {
      host: "fwve001e001e001",
      sandbox: "fwce001e001e001",
      sandboxMac: "02:00:00:00:01:01",
      mtu: 1400,
      alias: `fairway:endpoint:${endpointId(1)}:${network.id}`,
      group: flatLinkGroup,
      gateways: ["169.254.80.1", "fe80::fa17:0:1"],
      targets: ["10.20.1.2", "fd00:20:1::2"],
      flatMetrics: [local, local],
    });
  });

  test("has the families of the endpoint only", () => {
    const both = (endpoint: Endpoint): unknown[] => {
      const { gateways, targets } = planFlatLink(network, endpoint);
      return [...gateways, ...targets];
    };
    assert.deepEqual(both(only4), ["169.254.80.1", "10.20.1.2"]);
    assert.deepEqual(both(only6), ["fe80::fa17:0:1", "fd00:20:1::2"]);
  });
});

describe("what a routing daemon is offered of blocks that several hosts have", () => {
  const metricsOf = (announce: RoutedNetwork["announce"], standing: AddressStanding): readonly number[] | undefined => {
    const endpoint = { ...joined, healthy: true };
    const standingOf: StandingOf = (subnet) => (subnet === "10.20.1.0/24" ? standing : "own");
    const link = planFlatLink(routedNetworkOf({ announce }), endpoint, standingOf);
    const routes = planFlatRoutes(routedNetworkOf({ announce }), endpoint, standingOf);
    assert.deepEqual(
      routes.map(({ metric }) => metric),
      link.flatMetrics,
    );
    return link.flatMetrics;
  };

  test("a borrowed address by itself, as its block is another host's", () => {
    assert.deepEqual(metricsOf("block", "borrowed"), [announced, local]);
    assert.deepEqual(metricsOf("address", "borrowed"), [announced, announced]);
    assert.deepEqual(metricsOf("none", "borrowed"), [local, local]);
  });

  test("a lost address never: another host announces it by now", () => {
    assert.deepEqual(metricsOf("block", "lost"), [local, local]);
    assert.deepEqual(metricsOf("address", "lost"), [local, announced]);
    assert.deepEqual(metricsOf("healthy", "lost"), [local, announced]);
  });
});

describe("what a routing daemon is offered", () => {
  const cases: [RoutedNetwork["announce"], boolean | undefined, number, number][] = [
    ["block", undefined, local, announced],
    ["block", true, local, announced],
    ["address", undefined, announced, local],
    ["address", false, announced, local],
    ["healthy", undefined, local, local],
    ["healthy", false, local, local],
    ["healthy", true, announced, local],
    ["none", true, local, local],
  ];
  for (const [announce, healthy, ofEndpoint, ofBlock] of cases) {
    test(`announce=${announce}, health ${healthy ?? "unknown"}`, () => {
      const own = routedNetworkOf({ announce });
      const endpoint = { ...joined, ...(healthy === undefined ? {} : { healthy }) };
      assert.deepEqual(planFlatLink(own, endpoint).flatMetrics, [ofEndpoint, ofEndpoint]);
      assert.deepEqual(planFlatRoutes(own, endpoint), [
        { destination: "10.20.1.2/32", metric: ofEndpoint, device: "fwve001e001e001" },
        { destination: "fd00:20:1::2/128", metric: ofEndpoint, device: "fwve001e001e001" },
      ]);
      const blocks = pools("10.20.1.0/26", "fd00:20:1::/80").map(({ subnet }) => subnet);
      assert.deepEqual(planBlockRoutes(own, blocks), [
        { destination: "10.20.1.0/26", metric: ofBlock },
        { destination: "fd00:20:1::/80", metric: ofBlock },
      ]);
    });
  }

  test("routes into a pair stand while the endpoint is joined, in its families", () => {
    assert.deepEqual(planFlatRoutes(network, routedEndpointOf()), []);
    assert.deepEqual(
      [only4, only6].flatMap((one) => planFlatRoutes(network, one)).map(({ destination }) => destination),
      ["10.20.1.2/32", "fd00:20:1::2/128"],
    );
  });

  test("of a network's subnets, the blocks that are this host's", () => {
    const halves = (subnet: string) => [parsePrefix(subnet)];
    assert.deepEqual(planNetworkRoutes(network, halves), [
      { destination: "10.20.1.0/24", metric: announced },
      { destination: "fd00:20:1::/64", metric: announced },
    ]);
    assert.deepEqual(
      planNetworkRoutes(network, () => []),
      [],
    );
    assert.deepEqual(planNetworkRoutes(networkOf(), halves), []);
    assert.deepEqual(planEndpointRoutes(network, joined), planFlatRoutes(network, joined));
    assert.deepEqual(planEndpointRoutes(networkOf(), endpointOf({ state: "joined" })), []);
  });
});

describe("elements of a routed network", () => {
  test("its gateways, and who are neighbours: addresses of all its subnets", () => {
    const two = routedNetworkOf({ ipv4: pools("10.20.1.0/24", "10.20.9.0/24") });
    const [a, b] = ["10.20.1.0-10.20.1.255", "10.20.9.0-10.20.9.255"];
    const six = "fd00:20:1::-fd00:20:1:0:ffff:ffff:ffff:ffff";
    assert.deepEqual(lines(planFlatNetworkElements(two)), [
      "gateways4 { 169.254.80.1 }",
      "gateways6 { fe80::fa17:0:1 }",
      `peers4 { ${a} . ${a} }`,
      `peers4 { ${a} . ${b} }`,
      `peers4 { ${b} . ${a} }`,
      `peers4 { ${b} . ${b} }`,
      `peers6 { ${six} . ${six} }`,
    ]);
  });

  test("icc=false: nobody is a neighbour", () => {
    const apart = routedNetworkOf({ icc: false });
    assert.deepEqual(lines(planFlatNetworkElements(apart)), [
      "gateways4 { 169.254.80.1 }",
      "gateways6 { fe80::fa17:0:1 }",
    ]);
  });

  test("egress_nat: everything, and within it what is flat, each family with its own", () => {
    const flatSpace = ["10.0.0.0/8", "fc00::/7", "192.168.0.0/16"].map((text) => parsePrefix(text));
    const nat = routedNetworkOf({ icc: false, egressNat: true, flatSpace });
    const [four, six] = ["10.20.1.0-10.20.1.255", "fd00:20:1::-fd00:20:1:0:ffff:ffff:ffff:ffff"];
    assert.deepEqual(lines(planFlatNetworkElements(nat)).slice(0, -2), [
      `egress4 { ${four} . 0.0.0.0-255.255.255.255 }`,
      `egress6 { ${six} . ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }`,
      `flat4 { ${four} . 10.0.0.0-10.255.255.255 }`,
      `flat4 { ${four} . 192.168.0.0-192.168.255.255 }`,
      `flat6 { ${six} . fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }`,
    ]);
    assert.ok(!lines(planFlatNetworkElements({ ...nat, internal: true })).some((line) => /egress|flat/.test(line)));
  });

  test("of a joined endpoint: its own gateway, its only source, its address", () => {
    assert.deepEqual(lines(planFlatElements(network, joined)), [
      "local4 { 10.20.1.2 }",
      "local6 { fd00:20:1::2 }",
      "own_gateway4 { fwve001e001e001 . 169.254.80.1 }",
      "own_gateway6 { fwve001e001e001 . fe80::fa17:0:1 }",
      "source4 { fwve001e001e001 . 10.20.1.2 }",
      "source6 { fwve001e001e001 . fd00:20:1::2 }",
    ]);
    assert.deepEqual(lines(planFlatElements(network, only6)), [
      "local6 { fd00:20:1::2 }",
      "own_gateway6 { fwve001e001e001 . fe80::fa17:0:1 }",
      "source6 { fwve001e001e001 . fd00:20:1::2 }",
    ]);
    assert.deepEqual(planFlatElements(network, routedEndpointOf()), [], "before and after");
  });

  test("reachable=all opens its addresses, internal closes its pair, and internal wins", () => {
    const more = (settings: Partial<RoutedNetwork>): string[] =>
      lines(planFlatElements(routedNetworkOf(settings), joined)).filter((line) => /open|internal/.test(line));
    assert.deepEqual(more({ reachable: "all" }), ["open4 { 10.20.1.2 }", "open6 { fd00:20:1::2 }"]);
    assert.deepEqual(more({ internal: true }), ["internal { fwve001e001e001 }"]);
    assert.deepEqual(more({ internal: true, reachable: "all" }), ["internal { fwve001e001e001 }"]);
  });

  test("fit into the ruleset, ports included", async () => {
    const own = routedNetworkOf({ egressNat: true, flatSpace: [parsePrefix("10.0.0.0/8")], reachable: "all" });
    const claims = planReachable(own, joined, ["80:80", "8081:81", "7000:7000", "7001:7001"].map(port));
    const elements = [...planNetworkElements(own), ...planEndpointElements(own, { ...joined, claims })];
    const nft = new FakeNft();
    await nft.install(planRuleset(), elements);
    assert.deepEqual(elementLines(nft.elements()), elementLines(elements));
    assert.deepEqual(planAttachmentElements(own, joined), planFlatElements(own, joined));
  });
});

describe("reachable ports", () => {
  const reachable = (texts: readonly string[], endpoint: Endpoint = joined, own = network): string[] =>
    planReachable(own, endpoint, texts.map(port)).map(
      ({ protocol, hostAddress, hostPortFirst, hostPortLast, containerAddress, containerPort, isOwn }) => {
        assert.equal(hostAddress, containerAddress);
        assert.equal(isOwn, true);
        return `${hostAddress} ${protocol} ${hostPortFirst}-${hostPortLast} ${containerPort}`;
      },
    );

  const cases: [string, readonly string[], readonly string[]][] = [
    ["nothing", [], []],
    ["-p 80: the number itself", ["0:80"], ["10.20.1.2 tcp 80-80 80"]],
    ["-p 80:80", ["80:80"], ["10.20.1.2 tcp 80-80 80"]],
    ["-p 8081:81: another number", ["8081:81"], ["10.20.1.2 tcp 8081-8081 81"]],
    ["any of a range: its first", ["7000-7009:70"], ["10.20.1.2 tcp 7000-7000 70"]],
    [
      "a protocol each",
      ["53:53/udp", "53:53", "53:53/sctp"],
      ["sctp", "tcp", "udp"].map((one) => `10.20.1.2 ${one} 53-53 53`),
    ],
    ["a run, in whatever order", ["82:82", "80:80", "81:81"], ["10.20.1.2 tcp 80-82 80"]],
    ["a run with other numbers", ["8081:91", "8080:90"], ["10.20.1.2 tcp 8080-8081 90"]],
    ["no run where the distance changes", ["80:80", "81:91"], ["10.20.1.2 tcp 80-80 80", "10.20.1.2 tcp 81-81 91"]],
    ["the same twice", ["80:80", "80:80", "0:80"], ["10.20.1.2 tcp 80-80 80"]],
    ["at every address of its family", ["0.0.0.0:80:80"], ["10.20.1.2 tcp 80-80 80"]],
    ["at every address of the other family", ["[::]:80:80"], []],
    ["at an address of the host", ["192.0.2.10:80:80", "127.0.0.1:81:81", "[::1]:82:82"], []],
  ];
  for (const [name, texts, wanted] of cases) {
    test(name, () => assert.deepEqual(reachable(texts, only4), wanted));
  }

  test("at both addresses of a container, and by family where one is named", () => {
    assert.deepEqual(reachable(["80:80"]), ["10.20.1.2 tcp 80-80 80", "fd00:20:1::2 tcp 80-80 80"]);
    assert.deepEqual(reachable(["[::]:80:80"]), ["fd00:20:1::2 tcp 80-80 80"]);
    assert.deepEqual(reachable(["80:80", "[::]:80:80", "0.0.0.0:80:80"]).length, 2);
    assert.deepEqual(reachable(["0.0.0.0:80:80"], only6), []);
  });

  test("none of an internal network", () => {
    assert.deepEqual(reachable(["80:80"], joined, routedNetworkOf({ internal: true })), []);
  });

  test("become elements: exact, as a range, or one for each port that has another number", () => {
    const requests = ["80:80", "7000:7000", "7001:7001", "8081:91", "8080:90", "53:53/udp"].map(port);
    assert.deepEqual(lines(planPublicationElements(planReachable(network, only4, requests))), [
      "reachable4 { 10.20.1.2 . tcp . 80 }",
      "reachable4 { 10.20.1.2 . udp . 53 }",
      "reachable_range4 { 10.20.1.2 . tcp . 7000-7001 }",
      "renumbered4 { 10.20.1.2 . tcp . 8080 : 10.20.1.2 . 90 }",
      "renumbered4 { 10.20.1.2 . tcp . 8081 : 10.20.1.2 . 91 }",
    ]);
    assert.deepEqual(lines(planPublicationElements(planReachable(network, only6, requests))).slice(1), [
      "reachable6 { fd00:20:1::2 . udp . 53 }",
      "reachable_range6 { fd00:20:1::2 . tcp . 7000-7001 }",
      "renumbered6 { fd00:20:1::2 . tcp . 8080 : fd00:20:1::2 . 90 }",
      "renumbered6 { fd00:20:1::2 . tcp . 8081 : fd00:20:1::2 . 91 }",
    ]);
  });
});

describe("where a container finds its neighbours", () => {
  const whole: Endpoint = {
    ...joined,
    ipv4: parseInterfaceAddress("10.20.1.2/32"),
    ipv6: parseInterfaceAddress("fd00:20:1::2/128"),
  };
  const texts = (endpoint: Endpoint, own = network): string[] =>
    planNeighbourRoutes(own, endpoint).map(({ destination, nextHop }) => `${destination} by ${nextHop}`);

  test("with an address that covers nothing but itself: the subnets, by the gateway", () => {
    assert.deepEqual(texts(whole), ["10.20.1.0/24 by 169.254.80.1", "fd00:20:1::/64 by fe80::fa17:0:1"]);
  });

  test("with one that seems to be on a link: two halves of each, which go before it", () => {
    assert.deepEqual(texts(joined), [
      "10.20.1.0/25 by 169.254.80.1",
      "10.20.1.128/25 by 169.254.80.1",
      "fd00:20:1::/65 by fe80::fa17:0:1",
      "fd00:20:1:0:8000::/65 by fe80::fa17:0:1",
    ]);
    assert.deepEqual(texts(only6).length, 2);
  });

  const odd: [string, string, readonly string[]][] = [
    ["10.20.1.4/31", "10.20.1.4/31", ["10.20.1.4/32", "10.20.1.5/32"]],
    ["10.20.1.4/30", "10.20.1.5/30", ["10.20.1.4/31", "10.20.1.6/31"]],
    ["10.20.1.4/32", "10.20.1.4/32", ["10.20.1.4/32"]],
    ["0.0.0.0/1", "10.0.0.1/1", ["0.0.0.0/2", "64.0.0.0/2"]],
    ["fd00::4/127", "fd00::5/127", ["fd00::4/128", "fd00::5/128"]],
    ["fd00::4/128", "fd00::4/128", ["fd00::4/128"]],
    ["8000::/1", "9000::1/1", ["8000::/2", "c000::/2"]],
  ];
  for (const [subnet, address, wanted] of odd) {
    test(`of ${subnet}, for ${address}`, () => {
      const six = subnet.includes(":");
      const own = routedNetworkOf({ ipv4: six ? [] : pools(subnet), ipv6: six ? pools(subnet) : [] });
      const parsed = parseInterfaceAddress(address);
      const { ipv4: _a, ipv6: _b, ...bare } = joined;
      const endpoint: Endpoint = { ...bare, ...(six ? { ipv6: parsed } : { ipv4: parsed }) };
      assert.deepEqual(
        planNeighbourRoutes(own, endpoint).map(({ destination }) => destination),
        wanted,
      );
    });
  }

  test("whatever the subnet: both halves are half, side by side, and all of it", () => {
    const subnets = fc.oneof(
      fc.tuple(
        fc.constant("ipv4" as const),
        fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }),
        fc.integer({ min: 1, max: 31 }),
      ),
      fc.tuple(
        fc.constant("ipv6" as const),
        fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
        fc.integer({ min: 1, max: 127 }),
      ),
    );
    fc.assert(
      fc.property(subnets, ([family, value, length]) => {
        const address = parseInterfaceAddress(`${fromBigInt(value, family)}/${length}`);
        const subnet = parsePrefix(address);
        const { ipv4: _a, ipv6: _b, ...bare } = joined;
        const own = routedNetworkOf({ ipv4: [], ipv6: [], [family]: [{ subnet }] });
        const halves = planNeighbourRoutes(own, { ...bare, [family]: address }).map(({ destination }) => destination);
        const [first, second] = halves;
        assert.ok(first !== undefined && second !== undefined && halves.length === 2);
        assert.equal(prefixLengthOf(first), length + 1);
        assert.equal(parsePrefix(first), first, "without host bits");
        assert.ok(!prefixesOverlap(first, second));
        assert.deepEqual([boundsOf(first)[0], boundsOf(second)[1]], [...boundsOf(subnet)]);
        assert.equal(boundsOf(first)[1] + 1n, toBigInt(hostOf(second)));
        assert.ok(halves.some((half) => prefixContains(half, hostOf(address))));
      }),
    );
  });

  test("all subnets of the family, as neighbours may be in any of them", () => {
    const two = routedNetworkOf({ ipv4: pools("10.20.1.0/24", "10.20.9.0/24") });
    assert.deepEqual(texts({ ...whole }, two).slice(0, 2), [
      "10.20.1.0/24 by 169.254.80.1",
      "10.20.9.0/24 by 169.254.80.1",
    ]);
    assert.deepEqual(subnetsOfFamily(two, "ipv4"), ["10.20.1.0/24", "10.20.9.0/24"]);
    assert.deepEqual(subnetsOfFamily(two, "ipv6"), ["fd00:20:1::/64"]);
  });
});

describe("the rest of a routed network", () => {
  test("inside the sandbox: a table of its own, whole addresses, and the host's side as gateway", () => {
    assert.deepEqual(planFlatFurnishing(network, joined), {
      sharesAddress: false,
      hostIf: "fwve001e001e001",
      sandboxKey: sandboxKey(1),
      mac: "02:00:00:00:01:01",
      table: sandboxTable(ip("169.254.80.1")),
      routes: [
        { address: "10.20.1.2", gateway: "169.254.80.1" },
        { address: "fd00:20:1::2", gateway: "fe80::fa17:0:1" },
      ],
      note: "",
    });
    assert.deepEqual(planSandbox(network, joined), planFlatFurnishing(network, joined));
    assert.equal(planSandbox(network, routedEndpointOf()), undefined);
  });

  test("the host forwards the families of its subnets; it has no interface of its own", () => {
    assert.deepEqual(planFlatForwarding(network), ["ipv4", "ipv6"]);
    assert.deepEqual(planForwarding(routedNetworkOf({ ipv6: [] })), ["ipv4"]);
    assert.deepEqual(planForwarding(routedNetworkOf({ ipv4: [] })), ["ipv6"]);
    assert.deepEqual([...planNetworkLinks(network), ...networkLinkNames(network)], []);
  });

  test("a join makes the pair; a leave withdraws the address first, sets it down, and then takes its elements", () => {
    const facts = { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false };
    assert.deepEqual(planAttachment(network, joined, facts), {
      do: "addNextHopLink",
      spec: planFlatLink(network, joined),
    });
    const gone = ["10.20.1.2/32", "fd00:20:1::2/128"].flatMap((destination) =>
      [announced, local].map((metric) => ({ destination, metric, device: "fwve001e001e001" })),
    );
    assert.deepEqual(planDetachment(network, joined), [
      { do: "deleteRoutes", routes: gone },
      { do: "setLinksDown", names: ["fwve001e001e001"] },
      { do: "changeElements", add: [], remove: planFlatElements(network, joined) },
    ]);
    assert.deepEqual(planDetachment(networkOf(), endpointOf({ state: "joined" })), []);
  });

  test("routes that were added are taken back; what only takes away needs no undoing", () => {
    const routes = planBlockRoutes(network, [parsePrefix("10.20.1.0/24")]);
    assert.deepEqual(inverseOf({ do: "addRoutes", routes }), { do: "deleteRoutes", routes });
    assert.deepEqual(
      inverseOf(planAttachment(network, joined, { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false })),
      {
        do: "deleteLinks",
        names: ["fwve001e001e001"],
      },
    );
    const others: Step[] = [
      { do: "deleteRoutes", routes },
      { do: "setLinksDown", names: [joined.hostIf] },
    ];
    assert.deepEqual(others.map(inverseOf), [undefined, undefined]);
  });
});
