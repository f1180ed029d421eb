import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { JoinReply } from "../../../src/driver/driver.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  joinRequest,
  networkId,
  networkRequest,
  poolData,
  port,
  programRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

describe("join and leave", () => {
  let host: FakeHost;
  const join = (number = 1, network = 1, sandbox = number): Promise<JoinReply> =>
    host.driver.join(joinRequest(number, network, sandbox), fakeCall());
  const leave = (number = 1): Promise<void> => host.driver.leave(networkId(1), endpointId(number), fakeCall());

  async function prepare(
    network: Parameters<typeof networkRequest>[1] = {},
    endpoint: Parameters<typeof endpointRequest>[2] = {},
  ): Promise<void> {
    await host.driver.createNetwork(networkRequest(1, network), fakeCall());
    await host.driver.createEndpoint(endpointRequest(1, 1, endpoint), fakeCall());
  }

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  const eth = { srcName: "fwce001e001e001", dstPrefix: "eth" };
  const answers: [string, Parameters<typeof networkRequest>[1], Parameters<typeof endpointRequest>[2], object][] = [
    ["IPv4", {}, {}, { interface: eth, gateway: "10.88.1.1" }],
    ["IPv6", { v4: false, v6: true }, { v4: false, v6: true }, { interface: eth, gatewayIpv6: "fd00:88:1::1" }],
    [
      "both families",
      { v6: true },
      { v6: true },
      { interface: eth, gateway: "10.88.1.1", gatewayIpv6: "fd00:88:1::1" },
    ],
    ["a dual network and an IPv4 endpoint", { v6: true }, {}, { interface: eth, gateway: "10.88.1.1" }],
    ["an internal network", { internal: true, v6: true }, { v6: true }, { interface: eth }],
    ["a network without a gateway", { ipv4: [poolData("10.88.1.0/24")] }, {}, { interface: eth }],
    [
      "an exact interface name",
      {},
      { options: new Map([["ifname", "wan0"]]) },
      { interface: { ...eth, dstName: "wan0" }, gateway: "10.88.1.1" },
    ],
    [
      "a prefix",
      { options: new Map([["ifname_prefix", "lan"]]) },
      {},
      { interface: { ...eth, dstPrefix: "lan" }, gateway: "10.88.1.1" },
    ],
  ];
  for (const [name, network, endpoint, wanted] of answers) {
    test(`the answer for ${name}`, async () => {
      await prepare(network, endpoint);
      assert.deepEqual(await join(), { ...wanted, staticRoutes: [], disableGatewayService: true });
    });
  }

  test("of two pools the gateway of the endpoint's own is answered", async () => {
    const ipv4 = [poolData("10.88.9.0/24", "10.88.9.1/24"), poolData("10.88.1.0/24", "10.88.1.1/24")];
    await prepare({ ipv4 });
    assert.equal((await join()).gateway, "10.88.1.1");
  });

  test("icc=false isolates the port on the bridge", async () => {
    await prepare({ options: new Map([["icc", "false"]]) });
    await join();
    assert.match(host.kernel.transcript(), /link fwve001e001e001 veth .* master fwba001a001a001 isolated true/);
  });

  test("the same join twice gives the same answer; another sandbox is FW5005", async () => {
    await prepare();
    assert.deepEqual(await join(), await join());
    await assert.rejects(join(1, 1, 2), { code: "FW5005", message: /attached to another container already/ });
  });

  test("unknown endpoint, or one of another network: FW5004", async () => {
    await prepare();
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await assert.rejects(join(2), { code: "FW5004" });
    await assert.rejects(join(1, 2), { code: "FW5004" });
    await assert.rejects(join(1, 3), { code: "FW5003" });
  });

  test("a join that fails leaves no link and can be repeated", async () => {
    await prepare();
    host.run.process.failNext("links.addVeth", "ENOMEM");
    await assert.rejects(join(), { code: "FW9001", message: /links\.addVeth: ENOMEM/ });
    await host.quiet();
    assert.equal(host.kernel.links.links.has("fwve001e001e001"), false);
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.state, "created");
    await join();
  });

  test("a full bridge is FW3008, not FW9001", async () => {
    await prepare();
    for (let number = 100; number < 1123; number += 1) {
      const spec = { host: `v${number}`, sandbox: `c${number}`, bridge: "fwba001a001a001", alias: "fairway:test" };
      await host.kernel.links.addVeth({
        ...spec,
        sandboxMac: "02:00:00:00:00:01",
        mtu: 1500,
        isolated: false,
      } as never);
    }
    await assert.rejects(join(), { code: "FW3008" });
    for (let number = 100; number < 1123; number += 1) {
      host.kernel.links.remove(`v${number}`);
    }
  });

  test("a join that is hung up on while it waits does nothing", async () => {
    await prepare();
    const call = fakeCall();
    call.controller.abort(new Error("hung up"));
    await assert.rejects(host.driver.join(joinRequest(), call), /hung up/);
    assert.equal(host.kernel.links.links.has("fwve001e001e001"), false);
  });

  test("a join whose success cannot be told is a leave", async () => {
    await prepare();
    const call = fakeCall();
    await host.driver.join(joinRequest(), call);
    await call.lose();
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.state, "created");
  });

  test("a leave keeps the pair, as the engine has yet to take its end back; the delete takes it", async () => {
    await prepare();
    await join();
    host.kernel.links.moveToSandbox("fwce001e001e001", sandboxKey(1));
    await leave();
    await host.quiet();
    assert.equal(host.kernel.links.links.has("fwve001e001e001"), true);
    host.kernel.links.moveBack("fwce001e001e001");
    await host.driver.deleteEndpoint(networkId(1), endpointId(1), fakeCall());
    await host.quiet();
    assert.equal(host.kernel.links.links.has("fwve001e001e001"), false);
  });

  test("leave and join again, with the old pair still there or already queued for deletion", async () => {
    await prepare();
    await join();
    await leave();
    await join(1, 1, 2);
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.sandboxKey, sandboxKey(2));
    await leave();
    host.kernel.links.hold();
    host.kernel.links.deleteLater([host.workshop.registry.endpoint(endpointId(1))?.hostIf as never]);
    await join(1, 1, 3);
    host.kernel.links.release();
  });

  test("a leave takes the published ports back, forgets flows, and is fine twice or for unknown endpoints", async () => {
    await prepare();
    await join();
    await host.driver.programExternalConnectivity(programRequest([port("8080:80")]), fakeCall());
    await leave();
    assert.deepEqual(host.workshop.registry.endpoint(endpointId(1))?.publications, []);
    assert.deepEqual(host.kernel.conntrack.forgotten.at(-1), { kind: "address", address: "10.88.1.2" });
    await leave();
    await leave(7);
  });

  test("names are looked up after the creation of a network and after a join, not in between", async () => {
    await prepare();
    assert.deepEqual(host.names.refreshed, [networkId(1)]);
    await join();
    assert.deepEqual(host.names.refreshed, [networkId(1), networkId(1)]);
  });
});
