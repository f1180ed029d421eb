/** Endpoints of flat addresses: what their engine is told, and what comes and goes with them. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { JoinReply } from "../../../src/driver/driver.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  joinRequest,
  networkId,
  poolData,
  port,
  routedEndpointRequest,
  routedNetworkRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

type Request = Parameters<typeof routedNetworkRequest>;

describe("endpoints of routed networks", () => {
  let host: FakeHost;
  const join = (number = 1, sandbox = number): Promise<JoinReply> =>
    host.driver.join(joinRequest(number, 1, sandbox, { ports: [port("80:80")] }), fakeCall());
  const leave = (number = 1): Promise<void> => host.driver.leave(networkId(1), endpointId(number), fakeCall());
  const intoPairs = (): string[] =>
    host.kernel.routes.owned().flatMap(({ destination, device }) => (device === undefined ? [] : [destination]));
  const elements = (): string[] =>
    host.kernel.nft.transcript().filter((line) => /source|local|own_gateway|internal|reachable/.test(line));

  async function prepare(
    network: Request[2] = {},
    endpoint: Parameters<typeof routedEndpointRequest>[2] = {},
    options: Request[1] = {},
  ): Promise<void> {
    await host.driver.createNetwork(routedNetworkRequest(1, options, network), fakeCall());
    await host.driver.createEndpoint(routedEndpointRequest(1, 1, endpoint), fakeCall());
  }

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  const eth = { srcName: "fwce001e001e001", dstPrefix: "eth" };
  const [hop4, hop6] = [{ nextHop: "169.254.80.1" }, { nextHop: "fe80::fa17:0:1" }];
  const onLink4 = { destination: "169.254.80.1/32" };
  const onLink6 = { destination: "fe80::fa17:0:1/128" };
  const halves4 = [
    { destination: "10.20.1.0/25", ...hop4 },
    { destination: "10.20.1.128/25", ...hop4 },
  ];
  const halves6 = [
    { destination: "fd00:20:1::/65", ...hop6 },
    { destination: "fd00:20:1:0:8000::/65", ...hop6 },
  ];
  const whole = { ipv4: parseInterfaceAddress("10.20.1.2/32"), ipv6: parseInterfaceAddress("fd00:20:1::2/128") };
  const twoPools = [poolData("10.20.1.0/24", "10.20.1.1/24"), poolData("10.20.9.0/24", "10.20.9.1/24")];
  const gateway = "169.254.80.1";
  const gatewayIpv6 = "fe80::fa17:0:1";
  const answers: [string, Parameters<typeof prepare>, object][] = [
    ["IPv4", [], { gateway, staticRoutes: [onLink4, ...halves4] }],
    [
      "IPv6",
      [
        { v4: false, v6: true },
        { v4: false, v6: true },
      ],
      { gatewayIpv6, staticRoutes: [onLink6, ...halves6] },
    ],
    [
      "both families",
      [{ v6: true }, { v6: true }],
      { gateway, gatewayIpv6, staticRoutes: [onLink4, onLink6, ...halves4, ...halves6] },
    ],
    ["a dual network and an IPv4 endpoint", [{ v6: true }], { gateway, staticRoutes: [onLink4, ...halves4] }],
    [
      "whole addresses, as fairway's own IPAM driver gives them",
      [{ v6: true }, whole],
      {
        gateway,
        gatewayIpv6,
        staticRoutes: [
          onLink4,
          onLink6,
          { destination: "10.20.1.0/24", ...hop4 },
          { destination: "fd00:20:1::/64", ...hop6 },
        ],
      },
    ],
    ["an internal network: neighbours, and no way out", [{ internal: true }], { staticRoutes: [onLink4, ...halves4] }],
    [
      "several subnets",
      [{ ipv4: twoPools }],
      {
        gateway,
        staticRoutes: [
          onLink4,
          ...halves4,
          { destination: "10.20.9.0/25", ...hop4 },
          { destination: "10.20.9.128/25", ...hop4 },
        ],
      },
    ],
  ];
  for (const [name, args, wanted] of answers) {
    test(`the answer to a join: ${name}`, async () => {
      await prepare(...args);
      assert.deepEqual(await join(), { interface: eth, disableGatewayService: true, ...wanted });
      assert.deepEqual(await join(), { interface: eth, disableGatewayService: true, ...wanted }, "and again");
    });
  }

  for (const [what, more] of [
    ["IPv4", { ipv4: parseInterfaceAddress("10.20.2.2/24") }],
    ["IPv6", { v6: true, ipv6: parseInterfaceAddress("fd00:20:2::2/64") }],
    ["the host's own", { ipv4: parseInterfaceAddress("192.0.2.10/24") }],
  ] as const) {
    test(`an address outside the network's subnets is FW3003: ${what}`, async () => {
      await host.driver.createNetwork(routedNetworkRequest(1, {}, { v6: true }), fakeCall());
      await assert.rejects(host.driver.createEndpoint(routedEndpointRequest(1, 1, more), fakeCall()), {
        code: "FW3003",
        message: /^address \S+ is outside network a001a001a001$/,
        why: "its subnets are 10.20.1.0/24, fd00:20:1::/64",
      });
      assert.deepEqual(host.workshop.registry.endpoints(), []);
    });
  }

  test("an address in any of several subnets is inside", async () => {
    await prepare({ ipv4: twoPools }, { ipv4: parseInterfaceAddress("10.20.9.7/24") });
    await join();
    assert.deepEqual(intoPairs(), ["10.20.9.7/32"]);
  });

  test("a join stands its rules before its pair, and its pair when the host forwards", async () => {
    await prepare();
    const { calls } = host.run.process;
    const from = calls.length;
    host.kernel.sysctls.values.set("net/ipv4/ip_forward", "0");
    await join();
    const changes = calls.slice(from).filter((call) => /write|change|addNextHop|forget/.test(call));
    assert.deepEqual(changes, ["nft.change", "sysctls.write", "links.addNextHopLink", "conntrack.forgetLater"]);
    assert.deepEqual(elements(), [
      "element local4 { 10.20.1.2 }",
      "element own_gateway4 { fwve001e001e001 . 169.254.80.1 }",
      "element reachable4 { 10.20.1.2 . tcp . 80 }",
      "element source4 { fwve001e001e001 . 10.20.1.2 }",
    ]);
  });

  for (const call of ["nft.change", "links.addNextHopLink"] as const) {
    test(`a join that fails at ${call} leaves nothing and can be repeated`, async () => {
      await prepare();
      host.run.process.failNext(call, "ENOMEM");
      await assert.rejects(join(), { code: "FW9001" });
      await host.checkNothingLeaks();
      assert.deepEqual([intoPairs(), elements()], [[], []]);
      assert.equal(host.workshop.registry.endpoint(endpointId(1))?.claims, undefined);
      await join();
    });
  }

  test("a leave sets the pair down first, then closes the filter, then forgets flows; the pair stays for the engine", async () => {
    await prepare({ internal: false }, {}, { reachable: "all" });
    await join();
    host.kernel.links.moveToSandbox("fwce001e001e001", sandboxKey(1));
    const { calls } = host.run.process;
    const from = calls.length;
    await leave();
    const changes = calls.slice(from).filter((call) => /setDown|change|forget|release|delete/.test(call));
    assert.deepEqual(changes, [
      "links.setDown",
      "nft.change",
      "nft.change",
      "conntrack.forgetLater",
      "hostPorts.release",
      "conntrack.forgetLater",
    ]);
    assert.deepEqual([intoPairs(), elements()], [[], []]);
    assert.equal(host.kernel.links.links.has("fwve001e001e001"), true);
    const record = host.workshop.registry.endpoint(endpointId(1));
    assert.deepEqual([record?.state, record?.claims, record?.sandboxKey], ["created", undefined, undefined]);
    await leave();
  });

  test("a leave goes on when the pair cannot be set down, and its route goes with the endpoint", async () => {
    await prepare();
    await join();
    host.run.process.failNext("links.setDown", "EPERM");
    await leave();
    assert.deepEqual(elements(), []);
    await host.driver.deleteEndpoint(networkId(1), endpointId(1), fakeCall());
    await host.quiet();
    assert.deepEqual(intoPairs(), []);
  });

  test("health is of a container that runs: a leave forgets it", async () => {
    await prepare({}, {}, { announce: "healthy" });
    await join();
    const { registry } = host.workshop;
    const joined = registry.endpoint(endpointId(1)) ?? assert.fail("it is recorded");
    registry.putEndpoint({ ...joined, healthy: true });
    await leave();
    assert.equal(registry.endpoint(endpointId(1))?.healthy, undefined);
  });

  test("after a leave the same endpoint can be joined again, in another sandbox", async () => {
    await prepare();
    await join();
    await leave();
    await join(1, 2);
    assert.deepEqual(intoPairs(), ["10.20.1.2/32"]);
    assert.equal(host.kernel.links.isDown("fwve001e001e001"), false);
  });

  test("a join whose success cannot be told is a leave", async () => {
    await prepare();
    const call = fakeCall();
    await host.driver.join(joinRequest(), call);
    await call.lose();
    assert.deepEqual([intoPairs(), elements()], [[], []]);
  });

  test("an address whose former endpoint the engine has forgotten leads to the new one, though the old pair is still there", async () => {
    await prepare();
    await join();
    host.kernel.links.hold();
    const again = { ...routedEndpointRequest(1), endpointId: endpointId(2) };
    await host.driver.createEndpoint(again, fakeCall());
    await join(2);
    assert.deepEqual(
      host.kernel.routes.owned().filter(({ device }) => device !== undefined),
      [{ destination: "10.20.1.2/32", metric: 9910, device: "fwve002e002e002" }],
    );
    host.kernel.links.release();
    await host.quiet();
    assert.deepEqual(intoPairs(), ["10.20.1.2/32"]);
  });

  test("an endpoint that goes while its network does leaves no elements", async () => {
    await host.driver.createNetwork(routedNetworkRequest(2), fakeCall());
    host.run.process.delayTurns = 6;
    for (let turns = 0; turns < 40; turns += 1) {
      await prepare();
      await join();
      // Its address was given to another one, which does not wait for the network's turn to remove it.
      const heir = { ...routedEndpointRequest(1), endpointId: endpointId(2) };
      const coming = host.driver.createEndpoint(heir, fakeCall());
      for (let turn = 0; turn < turns; turn += 1) {
        await undefined;
      }
      await Promise.allSettled([coming, host.driver.deleteNetwork(networkId(1), fakeCall())]);
      await host.checkNothingLeaks();
    }
  });

  test("a join that is hung up on while another call installs the packet filter leaves no elements", async () => {
    await prepare();
    const call = fakeCall();
    const { sysctls } = host.kernel;
    const read = sysctls.read.bind(sysctls);
    let installing: Promise<void> | undefined;
    sysctls.read = (path) => {
      if (path.includes("ip_forward")) {
        installing = host.workshop.firewall.install();
        call.controller.abort(new Error("hung up"));
      }
      return read(path);
    };
    await assert.rejects(host.driver.join(joinRequest(), call), /hung up/);
    await installing;
    assert.deepEqual(elements(), []);
  });

  test("the sandbox is furnished when the interface is inside", async () => {
    await prepare({ v6: true }, { v6: true });
    await join();
    host.kernel.links.moveToSandbox("fwce001e001e001", sandboxKey(1));
    await host.quiet();
    const [furnished] = host.kernel.sandboxes.furnished.values();
    assert.deepEqual(
      [furnished?.sharesAddress, furnished?.routes.map(({ address }) => address)],
      [false, ["10.20.1.2", "fd00:20:1::2"]],
    );
  });
});
