import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Endpoint, PortRequest, Publication } from "../../../src/model/endpoint.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import type { BridgeNetwork } from "../../../src/model/network.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import {
  collides,
  mergeRuns,
  planClaims,
  planEndpointFlows,
  planPublicationElements,
  planPublicationFlows,
  planPublications,
} from "../../../src/plan/publish.ts";
import type { NftElement } from "../../../src/plan/ruleset.ts";
import { elementLines, FakeNft } from "../../fakes/fake-nft.ts";
import { endpointOf, ip, ipv6Pool, networkOf, port } from "../../fakes/requests.ts";

const ipv6 = parseInterfaceAddress("fd00:88:1::2/64");
const dualNetwork = networkOf({ ipv6: [ipv6Pool] });
const dualEndpoint = endpointOf({ ipv6 });
const { ipv4: _, ...withoutIpv4 } = endpointOf({ ipv6 });
const only6: Endpoint = withoutIpv4;

/** Publications when every claim gets the first port that it asked for. */
function publish(requests: readonly PortRequest[], endpoint = endpointOf(), network = networkOf()): Publication[] {
  const claims = planClaims(network, endpoint, requests);
  return planPublications(
    endpoint,
    claims,
    claims.map(({ claim }) => claim.first),
  );
}

function lines(texts: readonly string[], endpoint?: Endpoint, network?: BridgeNetwork): string[] {
  const publications = publish(texts.map(port), endpoint, network);
  return elementLines(planPublicationElements(publications)).map((line) => line.replace("element ", ""));
}

function shuffled<T>(values: readonly T[]): T[] {
  return [...values]
    .map((value, index) => ({ value, key: (index * 7919) % 1009 }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

const count = (from: number, length: number): number[] => Array.from({ length }, (_unused, offset) => from + offset);

describe("what is claimed", () => {
  const addresses = (text: string, endpoint: Endpoint, network: BridgeNetwork): readonly string[] | undefined =>
    planClaims(network, endpoint, [port(text)])[0]?.claim.addresses;

  test("all addresses of each family that the endpoint has", () => {
    assert.deepEqual(addresses("80:80", endpointOf(), networkOf()), ["0.0.0.0"]);
    assert.deepEqual(addresses("80:80", only6, dualNetwork), ["::"]);
    assert.deepEqual(addresses("80:80", dualEndpoint, dualNetwork), ["0.0.0.0", "::"]);
  });

  test("the address that was asked for, whatever the network says", () => {
    const network = networkOf({ publishAddresses: [ip("192.0.2.1")] });
    assert.deepEqual(addresses("127.0.0.1:80:80", endpointOf(), network), ["127.0.0.1"]);
    assert.deepEqual(addresses("[::1]:80:80", dualEndpoint, dualNetwork), ["::1"]);
  });

  test("the network's addresses, of the families that the endpoint has", () => {
    const network = networkOf({ publishAddresses: [ip("192.0.2.1"), ip("2001:db8::1")] });
    assert.deepEqual(addresses("80:80", endpointOf(), network), ["192.0.2.1"]);
    assert.deepEqual(addresses("80:80", dualEndpoint, network), ["192.0.2.1", "2001:db8::1"]);
  });

  test("nothing on an internal network", () => {
    assert.deepEqual(planClaims(networkOf({ internal: true }), endpointOf(), [port("[::1]:80:80")]), []);
  });

  test("ranges and free ports as they are", () => {
    const claims = planClaims(networkOf(), endpointOf(), [port("7000-7002:70/udp"), port("0:80")]);
    assert.deepEqual(
      claims.map(({ claim: { protocol, first, last }, containerPort }) => [protocol, first, last, containerPort]),
      [
        ["udp", 7000, 7002, 70],
        ["tcp", 0, 0, 80],
      ],
    );
  });

  test("an address of a family that the container lacks is FW3006 and says which", () => {
    assert.throws(() => planClaims(networkOf(), endpointOf(), [port("[::1]:8080:80")]), {
      code: "FW3006",
      message: "cannot publish port 80/tcp on ::1: the container has no IPv6 address",
    });
    const network = networkOf({ publishAddresses: [ip("192.0.2.1")] });
    assert.throws(() => planClaims(network, only6, [port("8080:80")]), { code: "FW3006", message: /no IPv4 address$/ });
  });
});

describe("elements of published ports", () => {
  const kinds: [string, string[], string[]][] = [
    ["one port", ["8080:80"], ["publish_any4 { tcp . 8080 : 10.88.1.2 . 80 }"]],
    ["one port that keeps its number", ["80:80/udp"], ["publish_any4 { udp . 80 : 10.88.1.2 . 80 }"]],
    ["an address", ["192.0.2.1:8080:80"], ["publish_address4 { 192.0.2.1 . tcp . 8080 : 10.88.1.2 . 80 }"]],
    ["loopback", ["127.0.0.1:53:53/udp"], ["publish_address4 { 127.0.0.1 . udp . 53 : 10.88.1.2 . 53 }"]],
    [
      "a run that keeps its numbers",
      ["8002:8002", "8000:8000", "8001:8001"],
      ["range_any4 { tcp . 8000-8002 : 10.88.1.2 }"],
    ],
    [
      "the same at an address",
      ["127.0.0.1:8000:8000", "127.0.0.1:8001:8001"],
      ["range_address4 { 127.0.0.1 . tcp . 8000-8001 : 10.88.1.2 }"],
    ],
    [
      "a run with other numbers",
      ["8000:80", "8001:81"],
      ["publish_any4 { tcp . 8000 : 10.88.1.2 . 80 }", "publish_any4 { tcp . 8001 : 10.88.1.2 . 81 }"],
    ],
    [
      "runs that a gap, a protocol or an address parts",
      ["1:1", "2:2", "4:4", "2:2/udp", "127.0.0.1:3:3"],
      [
        "publish_address4 { 127.0.0.1 . tcp . 3 : 10.88.1.2 . 3 }",
        "publish_any4 { tcp . 4 : 10.88.1.2 . 4 }",
        "publish_any4 { udp . 2 : 10.88.1.2 . 2 }",
        "range_any4 { tcp . 1-2 : 10.88.1.2 }",
      ],
    ],
    [
      "several host ports to one container port",
      ["8000:80", "8001:80"],
      ["publish_any4 { tcp . 8000 : 10.88.1.2 . 80 }", "publish_any4 { tcp . 8001 : 10.88.1.2 . 80 }"],
    ],
  ];
  for (const [name, texts, wanted] of kinds) {
    test(name, () => {
      assert.deepEqual(lines(texts), wanted);
    });
  }

  test("both families, each to its own address", () => {
    assert.deepEqual(lines(["8080:80", "[::1]:9:9"], dualEndpoint, dualNetwork), [
      "publish_address6 { ::1 . tcp . 9 : fd00:88:1::2 . 9 }",
      "publish_any4 { tcp . 8080 : 10.88.1.2 . 80 }",
      "publish_any6 { tcp . 8080 : fd00:88:1::2 . 80 }",
    ]);
  });

  test("1000 ports in any order that keep their numbers are one element", () => {
    assert.equal(lines(shuffled(count(20_000, 1000)).map((number) => `${number}:${number}`)).length, 1);
  });

  test("1000 ports with other numbers, or without neighbours, are 1000 elements", () => {
    assert.equal(lines(shuffled(count(20_000, 1000)).map((number) => `${number}:${number - 10_000}`)).length, 1000);
    assert.equal(lines(count(10_000, 1000).map((number) => `${2 * number}:${2 * number}`)).length, 1000);
  });

  test("a claim that was granted nothing is a defect, not a rule to port undefined", () => {
    const claims = planClaims(networkOf(), endpointOf(), [port("8080:80")]);
    assert.throws(() => planPublications(endpointOf(), claims, []), /granted without a port/);
  });
});

describe("runs", () => {
  const publication = fc.record({
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    hostAddress: fc.constantFrom("0.0.0.0", "127.0.0.1", "192.0.2.1", "::", "::1"),
    hostPort: fc.integer({ min: 1, max: 40 }),
    shift: fc.constantFrom(0, 0, 0, 100, 101),
  });
  const publications = fc
    .uniqueArray(publication, {
      maxLength: 60,
      selector: ({ protocol, hostAddress, hostPort }) => `${protocol} ${hostAddress} ${hostPort}`,
    })
    .map((all) =>
      all.map(
        ({ protocol, hostAddress, hostPort, shift }): Publication => ({
          protocol,
          hostAddress: ip(hostAddress),
          hostPortFirst: hostPort,
          hostPortLast: hostPort,
          containerAddress: hostAddress.includes(":") ? ip("fd00:88:1::2") : ip("10.88.1.2"),
          containerPort: hostPort + shift,
        }),
      ),
    );

  function mappings(all: readonly Publication[]): string[] {
    return all
      .flatMap((one) =>
        count(0, one.hostPortLast - one.hostPortFirst + 1).map(
          (offset) =>
            `${one.protocol} ${one.hostAddress}:${one.hostPortFirst + offset} -> ${one.containerAddress}:${one.containerPort + offset}`,
        ),
      )
      .sort();
  }

  /** Where an element sends each of its ports. */
  function leads({ set, key, data }: NftElement): string[] {
    const [address, protocol, ports] = key.length === 3 ? key : [set.endsWith("4") ? "0.0.0.0" : "::", ...key];
    const [target, targetPort] = Array.isArray(data) ? data : [];
    const { from, to } = typeof ports === "object" ? ports : { from: ports, to: ports };
    return count(Number(from), Number(to) - Number(from) + 1).map(
      (number) => `${protocol} ${address}:${number} -> ${target}:${targetPort ?? number}`,
    );
  }

  test("merging keeps every port and where it leads", () => {
    fc.assert(
      fc.property(publications, (all) => {
        assert.deepEqual(mappings(mergeRuns(all)), mappings(all));
      }),
    );
  });

  test("merging depends on no order and is finished after once", () => {
    fc.assert(
      fc.property(publications, (all) => {
        const merged = mergeRuns(all);
        assert.deepEqual(mergeRuns([...all].reverse()), merged);
        assert.deepEqual(mergeRuns(merged), merged);
      }),
    );
  });

  test("elements fit the ruleset, never overlap, and lead where the ports should", async () => {
    const ruleset = planRuleset();
    await fc.assert(
      fc.asyncProperty(publications, async (all) => {
        const nft = new FakeNft();
        await nft.install(ruleset, planPublicationElements(mergeRuns(all)));
        const led = nft.elements().flatMap(leads);
        assert.deepEqual(led.sort(), mappings(all));
      }),
    );
  });
});

describe("flows and conflicts", () => {
  test("flows go by publication and by container address", () => {
    assert.deepEqual(planPublicationFlows(publish([port("127.0.0.1:1:1"), port("127.0.0.1:2:2")])), [
      { kind: "hostPort", protocol: "tcp", address: "127.0.0.1", first: 1, last: 2 },
    ]);
    assert.deepEqual(planEndpointFlows(dualEndpoint), [
      { kind: "address", address: "10.88.1.2" },
      { kind: "address", address: "fd00:88:1::2" },
    ]);
  });

  const [held] = publish([port("8000:8000"), port("8001:8001")]);
  const claims: [string, boolean][] = [
    ["127.0.0.1:8000", true],
    ["0.0.0.0:8001", true],
    ["0.0.0.0:8002", false],
    [":::8000", false],
    ["::1:8000", false],
  ];
  for (const [text, wanted] of claims) {
    test(`0.0.0.0:8000-8001 ${wanted ? "is" : "is not"} in the way of ${text}`, () => {
      const at = text.lastIndexOf(":");
      const claim = { protocol: "tcp" as const, address: ip(text.slice(0, at)), port: Number(text.slice(at + 1)) };
      assert.equal(held !== undefined && collides(held, claim), wanted);
      assert.equal(held !== undefined && collides(held, { ...claim, protocol: "udp" }), false);
    });
  }
});
