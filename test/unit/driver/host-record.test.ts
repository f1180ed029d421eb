import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CreateNetworkRequest, PoolData } from "../../../src/driver/driver.ts";
import { type HostSurroundings, hostRecord } from "../../../src/driver/host-record.ts";
import { explain } from "../../../src/errors.ts";
import type { HostNetwork } from "../../../src/model/network.ts";
import { parseNetworkOptions } from "../../../src/options/network-options.ts";
import { hostNetworkRequest, ip, networkId, poolData } from "../../fakes/requests.ts";

const at = (address: string, device: string) => ({ address: ip(address), device });
const usual: HostSurroundings = {
  addresses: [
    at("192.0.2.10", "eth0"),
    at("2001:db8::10", "eth0"),
    at("198.51.100.1", "eth1"),
    at("192.0.2.11", "eth0"),
  ],
  uplink: "eth0",
  isGatewayTaken: () => false,
  before: undefined,
};
const mtus = new Map([
  ["eth0", 1500],
  ["eth1", 9000],
]);

function record(
  options: Readonly<Record<string, string>> = {},
  more: Partial<CreateNetworkRequest> = {},
  surroundings: Partial<HostSurroundings> = {},
): HostNetwork {
  const request = hostNetworkRequest(1, options, more);
  const parsed = parseNetworkOptions(request.options);
  assert.ok(parsed.mode === "host");
  return hostRecord(request, parsed, { ...usual, ...surroundings }, mtus);
}

function refusal(...args: Parameters<typeof record>): string {
  try {
    record(...args);
  } catch (error) {
    return explain(error);
  }
  return assert.fail("it was not refused");
}

const space = (addressSpace: string): PoolData => ({ addressSpace, aux: new Map() });
const nullPool = poolData("0.0.0.0/0", undefined, "null");

describe("the record of a network that shares the host's address", () => {
  test("has defaults for all that was not said", () => {
    assert.deepEqual(record(), {
      mode: "host",
      id: networkId(1),
      state: "creating",
      internal: false,
      ipv4: [],
      ipv6: [],
      mtu: 1500,
      ifNamePrefix: "eth",
      gatewayIpv4: "169.254.80.1",
      gatewayIpv6: "fe80::fa17:0:1",
      hostAddresses: [],
      claim: "exposed",
      dynamicPorts: { first: 20_000, last: 32_000 },
      sharedIpv4: "192.0.2.10",
      sharedIpv6: "2001:db8::10",
    });
  });

  const shared = ({ sharedIpv4, sharedIpv6, mtu }: HostNetwork) => [sharedIpv4, sharedIpv6, mtu];
  const choices: [string, Parameters<typeof record>, unknown[]][] = [
    ["the parent's", [{ parent: "eth1" }], ["198.51.100.1", undefined, 9000]],
    ["one of several", [{ host_ip: "192.0.2.11" }], ["192.0.2.11", undefined, 1500]],
    ["one of each family", [{ host_ip: "2001:db8::10,192.0.2.11" }], ["192.0.2.11", "2001:db8::10", 1500]],
    ["IPv6 alone", [{ host_ip: "2001:db8::10" }, { ipv4: [nullPool] }], [undefined, "2001:db8::10", 1500]],
    [
      "one as a subnet",
      [{}, { ipv4: [poolData("192.0.2.11/32", "169.254.80.1/32", "fairway")] }],
      ["192.0.2.11", undefined, 1500],
    ],
    [
      "one as a subnet and the same by option",
      [{ host_ip: "192.0.2.11" }, { ipv4: [poolData("192.0.2.11/32", "169.254.80.1/32", "fairway")] }],
      ["192.0.2.11", undefined, 1500],
    ],
    ["under the null driver", [{}, { ipv4: [nullPool] }], ["192.0.2.10", "2001:db8::10", 1500]],
    ["without any pool", [{}, { ipv4: [] }], ["192.0.2.10", "2001:db8::10", 1500]],
    ["with an MTU of its own", [{ mtu: "1400" }], ["192.0.2.10", "2001:db8::10", 1400]],
  ];
  for (const [name, args, wanted] of choices) {
    test(`shares ${name}`, () => {
      assert.deepEqual(shared(record(...args)), wanted);
    });
  }

  test("has the gateway that fairway's IPAM driver chose, and a free one otherwise", () => {
    const gateways = ({ gatewayIpv4, gatewayIpv6 }: HostNetwork) => [gatewayIpv4, gatewayIpv6];
    const taken = ["169.254.80.1", "fe80::fa17:0:1", "fe80::fa17:0:2"].map(ip);
    const isGatewayTaken: HostSurroundings["isGatewayTaken"] = (gateway) => taken.includes(gateway);
    const ipv4 = [poolData("0.0.0.0/0", "169.254.80.7/32", "fairway")];
    const ipv6 = [poolData("::/0", "fe80::fa17:0:9/128", "fairway")];
    assert.deepEqual(gateways(record({}, { ipv4, ipv6 }, { isGatewayTaken })), ["169.254.80.7", "fe80::fa17:0:9"]);
    assert.deepEqual(gateways(record({}, { ipv4 }, { isGatewayTaken })), ["169.254.80.7", "fe80::fa17:0:3"]);
    const stranger = [poolData("0.0.0.0/0", "192.0.2.1/24", "other")];
    assert.deepEqual(gateways(record({}, { ipv4: stranger }, { isGatewayTaken }))[0], "169.254.80.2");
  });
});

const create = "docker network create -d fairway --ipam-driver fairway";
const engineIpam = { ipv4: [poolData("172.18.0.0/16", "172.18.0.1/16")] };

describe("refusals show the command that works", () => {
  test("--ipam-driver is missing: FW3009, as documented", () => {
    assert.equal(
      refusal({}, engineIpam),
      "mode=host needs --ipam-driver fairway\n" +
        "  why: the engine's own address management would give each container an address that is not the host's\n" +
        `  fix: type: ${create} -o mode=host NAME (compose: ipam: { driver: fairway })  [FW3009, docs/errors.md#fw3009]`,
    );
  });

  test("it keeps the user's own options, quoted where a shell would read them otherwise", () => {
    const text = refusal({ parent: "eth1", claim: "published", host_ip: "192.0.2.10, 2001:db8::10" }, engineIpam);
    assert.ok(
      text.includes(
        `${create} -o mode=host -o parent=eth1 -o claim=published -o 'host_ip=192.0.2.10, 2001:db8::10' NAME`,
      ),
      text,
    );
  });

  test("it is missing for IPv6 only", () => {
    const ipv6 = [poolData("fd00::/64", "fd00::1/64")];
    assert.match(refusal({}, { ipv6 }), /^mode=host needs --ipam-driver fairway\n/);
    assert.match(refusal({}, { ipv4: [space("LocalDefault")] }), /^mode=host needs --ipam-driver fairway\n/);
  });

  test("a subnet of many addresses: FW3009", () => {
    const text = refusal({}, { ipv4: [poolData("192.0.2.0/24", "192.0.2.1/24", "fairway")] });
    assert.match(text, /^subnet 192\.0\.2\.0\/24 is not an address of this host\n/);
    assert.ok(text.includes(`fix: type: ${create} -o mode=host NAME  [FW3009,`), text);
  });

  test("an address that the host does not have: FW3009, with those that it has", () => {
    const text = refusal({ host_ip: "192.0.2.99" });
    assert.match(text, /^192\.0\.2\.99 is not an address of this host\n/);
    assert.match(text, /why: its addresses are 192\.0\.2\.10, 2001:db8::10, 198\.51\.100\.1, 192\.0\.2\.11\n/);
    assert.ok(text.includes(`fix: type: ${create} -o mode=host -o host_ip=192.0.2.10 NAME  [FW3009,`), text);
    assert.match(refusal({}, { ipv4: [poolData("192.0.2.99/32", undefined, "fairway")] }), /^192\.0\.2\.99 is not an/);
    assert.match(
      refusal({ host_ip: "192.0.2.10" }, {}, { addresses: [] }),
      /why: its addresses are none\n {2}fix: give the host an address first {2}\[FW3009/,
    );
  });

  test("with a parent, the command names an address of that one, or leaves the parent out", () => {
    const atParent = refusal({ parent: "eth1", host_ip: "192.0.2.99" });
    assert.ok(atParent.includes(`${create} -o mode=host -o parent=eth1 -o host_ip=198.51.100.1 NAME`), atParent);
    const elsewhere = refusal({ parent: "eth7", host_ip: "192.0.2.99" });
    assert.ok(elsewhere.includes(`${create} -o mode=host -o host_ip=192.0.2.10 NAME`), elsewhere);
  });

  test("an address of another interface than the parent: FW1003", () => {
    const text = refusal({ parent: "eth1", host_ip: "192.0.2.10" });
    assert.match(
      text,
      /^options parent=eth1 and host_ip=192\.0\.2\.10 contradict each other\n {2}why: .* on interface eth0\n/,
    );
    assert.ok(text.includes(`fix: type: ${create} -o mode=host -o host_ip=192.0.2.10 NAME  [FW1003,`), text);
  });

  test("a subnet and host_ip that say different things: FW1003", () => {
    const ipv4 = [poolData("192.0.2.11/32", "169.254.80.1/32", "fairway")];
    for (const other of ["192.0.2.10", "192.0.2.11,2001:db8::10"]) {
      assert.match(
        refusal({ host_ip: other }, { ipv4 }),
        new RegExp(`^subnet 192\\.0\\.2\\.11 and option host_ip=${other} contradict each other\\n[\\s\\S]*FW1003`),
      );
    }
  });

  test("no default route, and no parent: FW3009 names an interface that has an address", () => {
    const text = refusal({ mtu: "1400" }, {}, { uplink: undefined });
    assert.match(text, /^this host has no default route, so it is not clear which address to share\n/);
    assert.ok(text.includes(`fix: type: ${create} -o mode=host -o mtu=1400 -o parent=eth0 NAME  [FW3009,`), text);
  });

  test("an interface without an address: FW3009", () => {
    const text = refusal({ parent: "eth7" });
    assert.match(text, /^interface eth7 has no address that containers could share\n/);
    assert.match(text, /why: addresses that they could: 192\.0\.2\.10 on eth0, 2001:db8::10 on eth0, /);
    assert.ok(text.includes(`fix: type: ${create} -o mode=host -o parent=eth0 NAME  [FW3009,`), text);
    assert.match(
      refusal({}, {}, { addresses: [] }),
      /why: .* none\n {2}fix: give the host an address first {2}\[FW3009/,
    );
  });

  test("a family that the host does not have and the engine would ask for: FW3009", () => {
    const only6 = refusal({ claim: "published" }, {}, { addresses: [at("2001:db8::10", "eth0")] });
    assert.equal(
      only6,
      "this host has no IPv4 address to share\n" +
        "  why: the engine would ask for one for each container\n" +
        "  fix: type: docker network create -d fairway --ipam-driver null -o mode=host -o claim=published NAME" +
        "  [FW3009, docs/errors.md#fw3009]",
    );
    const ipv6 = [poolData("::/0", "fe80::fa17:0:9/128", "fairway")];
    const only4 = refusal({}, { ipv6 }, { addresses: [at("192.0.2.10", "eth0")] });
    assert.match(only4, /^this host has no IPv6 address to share\n/);
    assert.ok(only4.includes(`fix: type: ${create} -o mode=host NAME  [FW3009`), only4);
  });

  test("--internal: FW1003", () => {
    assert.match(refusal({}, { internal: true }), /^mode=host and --internal contradict each other\n[\s\S]*FW1003/);
  });

  test("an MTU below what IPv6 takes: FW1003, unless the network has no IPv6", () => {
    assert.match(refusal({ mtu: "1279" }), /FW1003/);
    assert.equal(record({ mtu: "1279", host_ip: "192.0.2.10" }).mtu, 1279);
  });

  test("no gateway is left: FW3009", () => {
    assert.match(
      refusal({}, {}, { isGatewayTaken: () => true }),
      /^no gateway is left for another network of mode host or routed\n[\s\S]*FW3009/,
    );
  });
});
