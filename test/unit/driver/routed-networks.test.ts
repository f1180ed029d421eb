/** Networks of flat addresses: their records, what they may not overlap with, and what comes and goes with them. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { CreateNetworkRequest } from "../../../src/driver/driver.ts";
import { type RoutedSurroundings, routedRecord } from "../../../src/driver/routed-record.ts";
import type { HostRoute } from "../../../src/kernel/ports.ts";
import { familyOf, parsePrefix } from "../../../src/model/ip.ts";
import type { RoutedNetwork } from "../../../src/model/network.ts";
import { parseNetworkOptions } from "../../../src/options/network-options.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  hostNetworkOf,
  hostNetworkRequest,
  ip,
  joinRequest,
  networkId,
  networkOf,
  networkRequest,
  poolData,
  routedEndpointRequest,
  routedNetworkOf,
  routedNetworkRequest,
} from "../../fakes/requests.ts";

const usual: RoutedSurroundings = { uplinkMtuBytes: 1450, isGatewayTaken: () => false, before: undefined };

function record(
  args: Parameters<typeof routedNetworkRequest> = [],
  surroundings: Partial<RoutedSurroundings> = {},
): RoutedNetwork {
  const request = routedNetworkRequest(...args);
  const options = parseNetworkOptions(request.options);
  assert.ok(options.mode === "routed");
  return routedRecord(request, options, { ...usual, ...surroundings });
}

describe("the record of a routed network", () => {
  test("has the request's subnets without gateways, the uplink's MTU and free next hops", () => {
    const wanted = routedNetworkOf({ state: "creating", mtu: 1450 });
    assert.deepEqual(record([1, {}, { v6: true }]), wanted);
  });

  test("has what was asked for", () => {
    const options = { mtu: "1400", icc: "false", reachable: "all", announce: "healthy", egress_nat: "true" };
    const { mtu, icc, reachable, announce, egressNat, flatSpace, internal } = record([1, options]);
    assert.deepEqual(
      [mtu, icc, reachable, announce, egressNat, internal],
      [1400, false, "all", "healthy", true, false],
    );
    assert.equal(flatSpace.length, 5);
  });

  test("is refused where --internal and another option contradict each other", () => {
    assert.equal(record([1, {}, { internal: true }]).internal, true);
    for (const options of [{ reachable: "all" }, { egress_nat: "true" }]) {
      assert.throws(() => record([1, options, { internal: true }]), { code: "FW1003" });
    }
  });

  test("is refused with a subnet of one address, which our IPAM driver takes for the host's", () => {
    const ipv4 = [poolData("10.72.0.0/32", "169.254.80.1/32")];
    assert.throws(() => record([1, {}, { ipv4 }]), { code: "FW3001", message: /^subnet 10\.72\.0\.0\/32 has room/ });
  });

  test("without an uplink has Ethernet's MTU, and IPv6 needs 1280 bytes", () => {
    const { uplinkMtuBytes: _, ...rest } = usual;
    assert.equal(record([], { ...rest, uplinkMtuBytes: undefined }).mtu, 1500);
    assert.throws(() => record([1, { mtu: "1279" }, { v6: true }]), { code: "FW1003" });
    assert.equal(record([1, { mtu: "1279" }]).mtu, 1279);
  });

  test("may have several subnets of a family, or IPv6 alone", () => {
    const ipv4 = [poolData("10.20.1.0/24", "10.20.1.1/24"), poolData("10.20.9.0/24")];
    assert.deepEqual(
      record([1, {}, { ipv4 }]).ipv4.map(({ subnet }) => subnet),
      ["10.20.1.0/24", "10.20.9.0/24"],
    );
    assert.deepEqual(record([1, {}, { v4: false, v6: true }]).ipv4, []);
  });

  test("without a subnet is FW3001", () => {
    for (const ipv4 of [[], [poolData("0.0.0.0/0", undefined, "null")], [{ addressSpace: "null", aux: new Map() }]]) {
      assert.throws(() => record([1, {}, { ipv4 }]), { code: "FW3001", message: "network a001a001a001 has no subnet" });
    }
  });

  test("has next hops that nobody has, and keeps them when the engine repeats itself", () => {
    const taken = ["169.254.80.1", "169.254.80.2", "fe80::fa17:0:1"].map(ip);
    const isGatewayTaken = (gateway: ReturnType<typeof ip>) => taken.includes(gateway);
    const hops = ({ gatewayIpv4, gatewayIpv6 }: RoutedNetwork) => [gatewayIpv4, gatewayIpv6];
    assert.deepEqual(hops(record([], { isGatewayTaken })), ["169.254.80.3", "fe80::fa17:0:2"]);
    for (const before of [routedNetworkOf({}, 2), hostNetworkOf({}, 2)]) {
      assert.deepEqual(hops(record([], { isGatewayTaken, before })), ["169.254.80.2", "fe80::fa17:0:2"]);
    }
    assert.deepEqual(hops(record([], { isGatewayTaken, before: networkOf() })), ["169.254.80.3", "fe80::fa17:0:2"]);
    assert.throws(() => record([], { isGatewayTaken: () => true }), {
      code: "FW3009",
      message: "no gateway is left for another network of mode host or routed",
    });
  });
});

describe("routed networks", () => {
  let host: FakeHost;
  const create = (...args: Parameters<typeof routedNetworkRequest>): Promise<void> =>
    host.driver.createNetwork(routedNetworkRequest(...args), fakeCall());
  const remove = (number = 1): Promise<void> => host.driver.deleteNetwork(networkId(number), fakeCall());
  const routes = (): string[] =>
    host.kernel.routes.owned().map(({ destination, metric, device }) => `${destination} ${device ?? "-"} ${metric}`);
  /** By another IPAM driver than the engine's, which knows of no other network. */
  const elsewhere = (subnet: string): Partial<CreateNetworkRequest> => ({
    ipv4: [poolData(subnet, undefined, "Elsewhere")],
  });

  async function attach(number = 1, network = 1): Promise<void> {
    await host.driver.createEndpoint(routedEndpointRequest(number, network, { v6: true }), fakeCall());
    await host.driver.join(joinRequest(number, network), fakeCall());
  }

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  test("the whole life of one leaves nothing but forwarding, and makes no interface", async () => {
    const before = host.kernel.transcript();
    await create(1, {}, { v6: true });
    assert.deepEqual(host.kernel.links.transcript(), []);
    assert.deepEqual(routes(), ["10.20.1.0/24 - 9900", "fd00:20:1::/64 - 9900"]);
    await attach();
    assert.deepEqual(routes().slice(2), ["10.20.1.2/32 fwve001e001e001 9910", "fd00:20:1::2/128 fwve001e001e001 9910"]);
    await remove();
    await host.quiet();
    assert.equal(host.kernel.transcript(), before.replace(/(forward(ing)?) = 0/g, "$1 = 1"));
    assert.deepEqual(routes(), []);
  });

  for (const [announce, block, address] of [
    ["block", 9900, 9910],
    ["address", 9910, 9900],
    ["healthy", 9910, 9910],
    ["none", 9910, 9910],
  ] as const) {
    test(`announce=${announce} is told by metrics`, async () => {
      await create(1, { announce }, { v6: true });
      await attach();
      const metrics = routes().map((text) => Number(text.split(" ").at(-1)));
      assert.deepEqual(metrics, [block, block, address, address]);
    });
  }

  test("announce=healthy is refused where the engine is never asked, and what exists already is not", async () => {
    await create(1, { announce: "healthy" });
    host.health.isOff = true;
    await create(1, { announce: "healthy" });
    await assert.rejects(create(2, { announce: "healthy" }), { code: "FW1003" });
    assert.deepEqual(routes(), ["10.20.1.0/24 - 9910"]);
    await create(2, { announce: "address" });
  });

  test("IPv4 alone needs no forwarding of IPv6", async () => {
    await create();
    assert.deepEqual(host.kernel.sysctls.writes, ["net/ipv4/ip_forward=1"]);
  });

  test("the same request twice changes nothing; a changed one is FW5005", async () => {
    await create(1, {}, { v6: true });
    await attach();
    const before = [host.kernel.transcript(), ...routes()];
    await create(1, {}, { v6: true });
    assert.deepEqual([host.kernel.transcript(), ...routes()], before);
    for (const options of [{ announce: "address" }, { icc: "false" }, { reachable: "all" }, { egress_nat: "true" }]) {
      await assert.rejects(create(1, options, { v6: true }), { code: "FW5005" });
    }
    await assert.rejects(create(1, {}, { v6: true, internal: true }), { code: "FW5005" });
    assert.deepEqual([host.kernel.transcript(), ...routes()], before);
  });

  for (const [step, call] of [
    ["forwarding", "sysctls.write"],
    ["the packet filter", "nft.install"],
    ["the engine's filter", "engineFirewall.admit"],
    ["its routes", "routes.add"],
  ] as const) {
    test(`a create that fails at ${step} leaves nothing`, async () => {
      host.run.process.failNext(call, "ENOMEM");
      await assert.rejects(create(), { code: "FW9001" });
      await host.checkNothingLeaks();
      assert.deepEqual([routes(), host.workshop.registry.networks()], [[], []]);
      await create();
    });
  }

  test("a create whose success cannot be told is taken back", async () => {
    const call = fakeCall();
    await host.driver.createNetwork(routedNetworkRequest(), call);
    await call.lose();
    assert.deepEqual([routes(), host.workshop.registry.networks()], [[], []]);
  });

  test("have next hops of their own, beside those of mode host, even when they come at once", async () => {
    await host.driver.createNetwork(hostNetworkRequest(1), fakeCall());
    await Promise.all([create(2), create(3), create(4)]);
    const all = host.workshop.registry.networks();
    const hops = all.flatMap((one) => (one.mode === "bridge" ? [] : [one.gatewayIpv4, one.gatewayIpv6]));
    assert.equal(new Set(hops).size, 8);
  });

  test("may not overlap with another network, of any mode, in either direction: FW3002", async () => {
    await create();
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await assert.rejects(create(3, {}, elsewhere("10.20.1.128/25")), {
      code: "FW3002",
      message: /of network a001a001a001$/,
    });
    await assert.rejects(create(3, {}, elsewhere("10.20.0.0/16")), { code: "FW3002" });
    await assert.rejects(create(3, {}, elsewhere("10.88.2.0/24")), {
      code: "FW3002",
      message: /of network a002a002a002$/,
    });
    const bridge = networkRequest(3, elsewhere("10.20.1.0/24"));
    await assert.rejects(host.driver.createNetwork(bridge, fakeCall()), { code: "FW3002" });
  });

  test("from the engine's own IPAM: the one in the way is forgotten, and goes with its routes", async () => {
    await create(1, {}, { v6: true });
    await attach();
    await host.driver.createNetwork(
      networkRequest(2, { ipv4: [poolData("10.20.1.0/24", "10.20.1.1/24")] }),
      fakeCall(),
    );
    assert.deepEqual(routes(), []);
    await create(3, {}, { ipv4: [poolData("10.20.1.0/24", "10.20.1.1/24")] });
    assert.deepEqual(routes(), ["10.20.1.0/24 - 9900"]);
  });

  for (const subnet of ["127.0.0.0/8", "169.254.80.0/24", "240.1.0.0/16", "224.0.0.0/8", "0.0.0.0/8"]) {
    test(`${subnet} means something else: FW3002`, async () => {
      await assert.rejects(create(1, {}, elsewhere(subnet)), { code: "FW3002", message: /overlaps with/ });
    });
  }
  for (const subnet of ["fe80::fa17:0:0/112", "ff05::/64", "::/64"]) {
    test(`${subnet} means something else: FW3002`, async () => {
      const ipv6 = [poolData(subnet, undefined, "Elsewhere")];
      await assert.rejects(create(1, {}, { ipv6 }), { code: "FW3002", message: /overlaps with/ });
    });
  }

  const route = (text: string, more: Partial<HostRoute> = {}): HostRoute => ({
    family: familyOf(parsePrefix(text)),
    destination: parsePrefix(text),
    device: "eth1",
    onLink: false,
    priority: 32,
    ...more,
  });
  const hostRoutes: [string, HostRoute, boolean][] = [
    [
      "a part of it that another host has, as a routing daemon learnt",
      route("10.20.1.64/26", { maker: "routing daemon" }),
      true,
    ],
    ["an address of it that another host has", route("10.20.1.9/32", { maker: "routing daemon" }), true],
    [
      "the whole of it, behind a next hop, from a routing daemon",
      route("10.20.1.0/24", { maker: "routing daemon" }),
      true,
    ],
    ["a wider route behind a next hop", route("10.0.0.0/8"), true],
    ["a part of it by hand", route("10.20.1.64/26"), false],
    ["the whole of it by hand", route("10.20.1.0/24"), false],
    ["a link", route("10.20.0.0/16", { onLink: true }), false],
    ["an address on a link", route("10.20.1.9/32", { onLink: true }), false],
    ["a link that a routing daemon brought", route("10.20.1.0/24", { onLink: true, maker: "routing daemon" }), false],
    ["IPv6: a part that another host has", route("fd00:20:1:0:1::/80", { maker: "routing daemon" }), true],
    ["IPv6: a part by hand", route("fd00:20:1:0:1::/80"), false],
    ["IPv6: a link", route("fd00:20::/32", { onLink: true }), false],
  ];
  for (const [name, one, isFine] of hostRoutes) {
    test(`the host's route ${isFine ? "is no conflict" : "is FW3002"}: ${name}`, async () => {
      host.kernel.links.routes.push(one);
      if (isFine) {
        await create(1, {}, { v6: true });
      } else {
        const message = new RegExp(`overlaps with the host's route ${one.destination} on eth1$`);
        await assert.rejects(create(1, {}, { v6: true }), { code: "FW3002", message });
      }
    });
  }

  test("a bridge takes no part that another host has", async () => {
    host.kernel.links.routes.push(route("10.88.1.64/26", { maker: "routing daemon" }));
    await assert.rejects(host.driver.createNetwork(networkRequest(1), fakeCall()), { code: "FW3002" });
  });
});
