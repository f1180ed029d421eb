/** Networks and endpoints of mode host, up to the join. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { CreateEndpointReply, CreateEndpointRequest } from "../../../src/driver/driver.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  hostEndpointRequest,
  hostNetworkRequest,
  ip,
  networkId,
  networkRequest,
  poolData,
} from "../../fakes/requests.ts";

let host: FakeHost;

const create = (...args: Parameters<typeof hostNetworkRequest>): Promise<void> =>
  host.driver.createNetwork(hostNetworkRequest(...args), fakeCall());

beforeEach(async () => {
  host = new FakeHost();
  await host.start();
});
afterEach(() => host.checkNothingLeaks());

describe("networks that share the host's address", () => {
  test("the whole life of one leaves nothing but forwarding, and makes no interface", async () => {
    const before = host.kernel.transcript();
    await create();
    assert.deepEqual(host.kernel.links.transcript(), []);
    assert.deepEqual(
      host.kernel.nft.transcript().filter((line) => line.includes("gateways")),
      ["element gateways4 { 169.254.80.1 }", "element gateways6 { fe80::fa17:0:1 }"],
    );
    await host.driver.deleteNetwork(networkId(1), fakeCall());
    await host.quiet();
    assert.equal(host.kernel.transcript(), before.replace(/(forward(ing)?) = 0/g, "$1 = 1"));
  });

  test("a request that the engine repeats is the same network, whatever has changed on the host meanwhile", async () => {
    for (const ipv4 of [undefined, [poolData("0.0.0.0/0", undefined, "null")]]) {
      const request = hostNetworkRequest(1, {}, ipv4 === undefined ? {} : { ipv4 });
      await host.driver.createNetwork(request, fakeCall());
      const before = host.kernel.transcript();
      host.kernel.links.addresses = [{ address: ip("192.0.2.77"), device: "eth0" }];
      await host.driver.createNetwork(request, fakeCall());
      assert.equal(host.kernel.transcript(), before);
      await host.driver.deleteNetwork(networkId(1), fakeCall());
    }
  });

  test("a host without IPv6 gets no IPv6 forwarding", async () => {
    host.kernel.links.addresses = [{ address: ip("192.0.2.10"), device: "eth0" }];
    await create();
    assert.deepEqual(host.kernel.sysctls.writes, ["net/ipv4/ip_forward=1"]);
  });

  test("two of them have different gateways, and so two at the same moment", async () => {
    await create(1);
    await create(2);
    const ipv4 = [poolData("0.0.0.0/0", undefined, "null")];
    const results = await Promise.allSettled([create(3, {}, { ipv4 }), create(4, {}, { ipv4 })]);
    const networks = host.workshop.registry.networks();
    const gateways = networks.flatMap((one) => (one.mode === "host" ? [one.gatewayIpv4, one.gatewayIpv6] : []));
    assert.equal(new Set(gateways).size, gateways.length);
    assert.ok(results.every(({ status }) => status === "fulfilled"));
  });

  test("an address of our own bridges is not the host's to share", async () => {
    await host.driver.createNetwork(networkRequest(1), fakeCall());
    host.kernel.links.addresses = [
      { address: ip("10.88.1.1"), device: "fwba001a001a001" },
      { address: ip("192.0.2.10"), device: "eth0" },
    ];
    await assert.rejects(create(2, { host_ip: "10.88.1.1" }), {
      code: "FW3009",
      message: "10.88.1.1 is not an address of this host",
    });
    await create(2);
  });

  test("a refused one leaves nothing", async () => {
    const before = host.kernel.transcript();
    await assert.rejects(create(1, {}, { ipv4: [poolData("172.18.0.0/16", "172.18.0.1/16")] }), { code: "FW3009" });
    await assert.rejects(create(1, {}, { internal: true }), { code: "FW1003" });
    assert.equal(host.kernel.transcript(), before);
    assert.deepEqual({ ...host.store.load(), settings: [] }, { networks: [], endpoints: [], settings: [] });
  });

  for (const [step, port] of [
    ["forwarding", "sysctls.write"],
    ["the packet filter", "nft.install"],
    ["the engine's filter", "engineFirewall.admit"],
  ] as const) {
    test(`a create that fails at ${step} leaves nothing, and its gateway is free`, async () => {
      host.run.process.failNext(port, "ENOMEM");
      await assert.rejects(create(), { code: "FW9001" });
      await host.quiet();
      assert.deepEqual({ ...host.store.load(), settings: [] }, { networks: [], endpoints: [], settings: [] });
      assert.equal(host.workshop.registry.networkAt(ip("169.254.80.1")), undefined);
    });
  }

  test("stands again after a restart and after a reboot", async () => {
    await create();
    await host.restart();
    await host.checkNothingLeaks();
    await host.reboot();
    assert.equal(host.workshop.registry.networkAt(ip("fe80::fa17:0:1"))?.id, networkId(1));
  });
});

describe("endpoints with the host's address", () => {
  const createEndpoint = (request: CreateEndpointRequest): Promise<CreateEndpointReply> =>
    host.driver.createEndpoint(request, fakeCall());

  beforeEach(() => create());

  test("an answer has what the engine left open: both addresses, or IPv6 beside the IPv4 that it knows", async () => {
    const { interface: all } = await createEndpoint(endpointRequest(1, 1, { v4: false }));
    assert.equal(all?.address, "192.0.2.10/32");
    assert.equal(all?.addressIpv6, "2001:db8::10/128");
    const { interface: rest } = await createEndpoint(hostEndpointRequest(2));
    assert.deepEqual(Object.keys(rest ?? {}).sort(), ["addressIpv6", "mac"]);
  });

  test("one address is many containers', each with a MAC of its own", async () => {
    await createEndpoint(hostEndpointRequest(1));
    await createEndpoint(hostEndpointRequest(2));
    const endpoints = host.workshop.registry.endpoints();
    assert.deepEqual(
      endpoints.map(({ id, ipv4 }) => [id, ipv4]),
      [
        [endpointId(1), "192.0.2.10/32"],
        [endpointId(2), "192.0.2.10/32"],
      ],
    );
    assert.notEqual(endpoints[0]?.mac, endpoints[1]?.mac);
  });

  test("the MAC address is the same for the same endpoint", async () => {
    const { interface: once } = await createEndpoint(hostEndpointRequest(1));
    await host.driver.deleteEndpoint(networkId(1), endpointId(1), fakeCall());
    assert.equal((await createEndpoint(hostEndpointRequest(1))).interface?.mac, once?.mac);
  });

  test("any length that the engine has for the shared address will do", async () => {
    await createEndpoint({ ...hostEndpointRequest(1), ipv4: parseInterfaceAddress("192.0.2.10/24") });
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.ipv4, "192.0.2.10/32");
  });

  test("another address than the shared one: FW3009, and nothing is recorded", async () => {
    await assert.rejects(createEndpoint({ ...hostEndpointRequest(1), ipv4: parseInterfaceAddress("192.0.2.11/32") }), {
      code: "FW3009",
      message: "address 192.0.2.11 is not the one that network a001a001a001 shares",
      why: "its containers have 192.0.2.10 and 2001:db8::10, like the host",
    });
    await assert.rejects(
      createEndpoint({ ...hostEndpointRequest(1), ipv6: parseInterfaceAddress("2001:db8::99/128") }),
      {
        code: "FW3009",
      },
    );
    assert.deepEqual(host.workshop.registry.endpoints(), []);
  });

  test("an address of a family that the network does not share: FW3009", async () => {
    await create(2, { host_ip: "192.0.2.10" });
    const ipv6 = parseInterfaceAddress("2001:db8::10/128");
    await assert.rejects(createEndpoint({ ...hostEndpointRequest(1, 2), ipv6 }), { code: "FW3009" });
  });
});
