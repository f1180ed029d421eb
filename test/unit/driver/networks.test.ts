import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { CreateNetworkRequest } from "../../../src/driver/driver.ts";
import type { FairwayError } from "../../../src/errors.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import { endpointRequest, networkId, networkRequest, poolData } from "../../fakes/requests.ts";

describe("networks", () => {
  let host: FakeHost;
  const create = (request: CreateNetworkRequest): Promise<void> => host.driver.createNetwork(request, fakeCall());
  const remove = (number: number): Promise<void> => host.driver.deleteNetwork(networkId(number), fakeCall());

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  test("the whole life of a network leaves nothing but forwarding", async () => {
    const before = host.kernel.transcript();
    await create(networkRequest(1, { v6: true }));
    assert.match(
      host.kernel.transcript(),
      /link fwba001a001a001 bridge .* addresses 10\.88\.1\.1\/24,fd00:88:1::1\/64/,
    );
    await remove(1);
    await host.quiet();
    assert.equal(host.kernel.transcript(), before.replace(/(forward(ing)?) = 0/g, "$1 = 1"));
  });

  test("an internal network switches no forwarding on", async () => {
    await create(networkRequest(1, { internal: true, v6: true }));
    assert.deepEqual(host.kernel.sysctls.writes, []);
  });

  test("forwarding that is on stays as it is, and no family is switched on without need", async () => {
    host.kernel.sysctls.values.set("net/ipv6/conf/all/forwarding", "2");
    await create(networkRequest(1));
    await create(networkRequest(2, { v6: true }));
    assert.deepEqual(host.kernel.sysctls.writes, ["net/ipv4/ip_forward=1"]);
  });

  test("the same request twice changes nothing; a changed one is FW5005", async () => {
    await create(networkRequest(1));
    const once = host.kernel.transcript();
    const { length } = host.kernel.nft.transactions;
    await create(networkRequest(1));
    assert.equal(host.kernel.transcript(), once);
    assert.equal(host.kernel.nft.transactions.length, length);
    const changed = networkRequest(1, { internal: true });
    await assert.rejects(create(changed), { code: "FW5005", message: /^network a001a001a001 exists already/ });
  });

  test("the MTU comes from the option, else from the uplink, else is 1500 bytes, and a new uplink changes nothing", async () => {
    host.kernel.links.defaultRoute = { name: "wg0", mtuBytes: 1420 };
    await create(networkRequest(1));
    await create(networkRequest(2, { options: new Map([["mtu", "9000"]]) }));
    host.kernel.links.defaultRoute = undefined;
    await create(networkRequest(3));
    await create(networkRequest(1));
    const { registry } = host.workshop;
    assert.deepEqual(
      registry.networks().map(({ mtu }) => mtu),
      [1420, 9000, 1500],
    );
  });

  for (const [step, port] of [
    ["forwarding", "sysctls.write"],
    ["the packet filter", "nft.install"],
    ["the engine's filter", "engineFirewall.admit"],
    ["the bridge", "links.ensureBridge"],
  ] as const) {
    test(`a create that fails at ${step} leaves nothing, not even the tables`, async () => {
      const before = host.kernel.transcript();
      host.run.process.failNext(port, "ENOMEM");
      await assert.rejects(create(networkRequest(1)), { code: "FW9001" });
      await host.quiet();
      // Forwarding stays on: others may rely on it by now.
      assert.equal(host.kernel.transcript().replace("ip_forward = 1", "ip_forward = 0"), before);
      assert.deepEqual({ ...host.store.load(), settings: [] }, { networks: [], endpoints: [], settings: [] });
    });
  }

  test("a create whose success cannot be written down is taken back whole", async () => {
    // The second write says that the network is ready.
    host.run.process.failNext("store.putNetwork", "EIO");
    await assert.rejects(create(networkRequest(1)));
    const { process } = host.run;
    const writes = (): number => process.calls.filter((call) => call === "store.putNetwork").length;
    const before = writes();
    const pending = create(networkRequest(1));
    while (writes() === before) {
      await undefined;
    }
    process.failNext("store.putNetwork", "EIO");
    await assert.rejects(pending);
    await host.driver.finishDeletes();
  });

  test("a create that is hung up on while another one installs the packet filter leaves no elements", async () => {
    const { process } = host.run;
    for (let turns = 0; turns < 60; turns += 1) {
      process.delayTurns = 6;
      const call = fakeCall();
      const other = create(networkRequest(2));
      const pending = host.driver.createNetwork(networkRequest(1), call);
      for (let turn = 0; turn < turns; turn += 1) {
        await undefined;
      }
      call.controller.abort(new Error("hung up"));
      await Promise.allSettled([pending, other]);
      await host.checkNothingLeaks();
      await remove(1);
      await remove(2);
    }
  });

  test("a create that is hung up on is taken back", async () => {
    const call = fakeCall();
    const pending = host.driver.createNetwork(networkRequest(1), call);
    call.controller.abort(new Error("hung up"));
    await assert.rejects(pending, /hung up/);
    assert.deepEqual(host.workshop.registry.networks(), []);
  });

  test("a create whose success cannot be told is taken back", async () => {
    const call = fakeCall();
    await host.driver.createNetwork(networkRequest(1), call);
    await call.lose();
    assert.deepEqual(host.workshop.registry.networks(), []);
  });

  test("deletes of unknown networks are fine, once and twice", async () => {
    await create(networkRequest(1));
    await remove(2);
    await remove(1);
    await remove(1);
  });

  test("a network takes its endpoints along", async () => {
    await create(networkRequest(1));
    await host.driver.createEndpoint(endpointRequest(1), fakeCall());
    await remove(1);
    assert.deepEqual(host.workshop.registry.endpoints(), []);
  });

  test("a network without a subnet is FW3001, a gateway elsewhere FW3003", async () => {
    await assert.rejects(create(networkRequest(1, { v4: false })), { code: "FW3001" });
    const foreign = [poolData("10.88.1.0/24", "10.99.1.1/24")];
    await assert.rejects(create(networkRequest(1, { ipv4: foreign })), { code: "FW3003", message: /10\.99\.1\.1/ });
    await assert.rejects(create(networkRequest(1, { ipv4: [poolData("0.0.0.0/0")] })), { code: "FW3001" });
  });

  describe("names of bridges", () => {
    const named = (number: number): CreateNetworkRequest =>
      networkRequest(number, { options: new Map([["bridge_name", "br-shop"]]) });

    test("of another network of ours: FW3007 with its name", async () => {
      await create(named(1));
      host.names.networks.set(networkId(1), "shop");
      await assert.rejects(create(named(2)), {
        code: "FW3007",
        message: 'bridge name br-shop is taken by network "shop"',
      });
    });

    test("of a network that is being created at the same time: FW3007", async () => {
      const results = await Promise.allSettled([create(named(1)), create(named(2))]);
      const refused = results.filter((result) => result.status === "rejected");
      assert.deepEqual(
        refused.map(({ reason }) => (reason as FairwayError).code),
        ["FW3007"],
      );
    });

    test("of somebody else's interface: FW3007, and that is left alone", async () => {
      host.kernel.links.addForeign("br-shop", "bridge");
      await assert.rejects(create(named(1)), { code: "FW3007" });
      await host.quiet();
      assert.equal(host.kernel.links.links.get("br-shop")?.kind, "foreign");
    });

    test("can be used again at once after the network went", async () => {
      host.kernel.links.hold();
      await create(named(1));
      await remove(1);
      const again = create({ ...named(2) });
      host.kernel.links.release();
      await again;
    });
  });

  describe("subnets in the way", () => {
    const at = (number: number, subnet: string, addressSpace?: string): CreateNetworkRequest =>
      networkRequest(number, { ipv4: [poolData(subnet, undefined, addressSpace)] });

    test("from the engine's own IPAM: the other network is one that the engine has forgotten, and goes", async () => {
      await create(at(1, "10.88.0.0/16"));
      await create(at(2, "10.88.7.0/24"));
      assert.deepEqual(
        host.workshop.registry.networks().map(({ id }) => id),
        [networkId(2)],
      );
      assert.match(host.log.lines.join("\n"), /warn removed a network that the engine has forgotten/);
    });

    test("a forgotten network gives its bridge name back too", async () => {
      const options = new Map([["bridge_name", "br-shop"]]);
      await create({ ...at(1, "10.88.0.0/16"), options });
      await create({ ...at(2, "10.88.0.0/16"), options });
      const second = host.workshop.registry.network(networkId(2));
      assert.equal(second?.mode === "bridge" && second.bridge, "br-shop");
    });

    test("from another IPAM: FW3002 that names both", async () => {
      await create(at(1, "10.88.0.0/16"));
      await assert.rejects(create(at(2, "10.88.7.0/24", "Elsewhere")), {
        code: "FW3002",
        message: "subnet 10.88.7.0/24 overlaps with 10.88.0.0/16 of network a001a001a001",
      });
      host.names.networks.set(networkId(1), "shop");
      await assert.rejects(create(at(2, "10.88.7.0/24", "Elsewhere")), { message: /of network "shop"$/ });
    });

    test("at the same time from another IPAM: one of them is refused", async () => {
      const both = [create(at(1, "10.88.0.0/16", "Elsewhere")), create(at(2, "10.88.7.0/24", "Elsewhere"))];
      const results = await Promise.allSettled(both);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    });

    for (const subnet of ["127.0.0.0/8", "224.0.0.0/4", "0.0.0.0/8", "240.1.0.0/16", "169.254.80.0/24"]) {
      test(`${subnet}, which means something else: FW3002`, async () => {
        await assert.rejects(create(at(1, subnet, "Elsewhere")), {
          code: "FW3002",
          message: /^subnet \S+ overlaps with /,
        });
        await assert.rejects(create(at(1, subnet)), { code: "FW3002" });
      });
    }

    test("a route of the host: FW3002 that names route and device", async () => {
      const route = poolData("10.88.1.128/25").subnet;
      host.kernel.links.routes.push({
        ...(route && { destination: route }),
        device: "tun0",
        family: "ipv4",
        onLink: false,
        priority: 0,
      });
      await assert.rejects(create(networkRequest(1)), {
        code: "FW3002",
        message: "subnet 10.88.1.0/24 overlaps with the host's route 10.88.1.128/25 on tun0",
      });
    });

    test("a wider route behind a next hop is none; one on the link is", async () => {
      const destination = poolData("10.0.0.0/8").subnet;
      const wide = { ...(destination && { destination }), family: "ipv4" as const, device: "eth1", priority: 0 };
      host.kernel.links.routes.push(
        { ...wide, onLink: false },
        { family: "ipv4", device: "eth0", onLink: false, priority: 0 },
      );
      await create(networkRequest(1));
      host.kernel.links.routes.push({ ...wide, onLink: true });
      await assert.rejects(create(networkRequest(2)), { code: "FW3002" });
    });

    test("an IPv6 subnet in the way is seen as well", async () => {
      const v6 = (number: number): CreateNetworkRequest =>
        networkRequest(number, { ipv6: [poolData("fd00:9::/64", undefined, "Elsewhere")], ipv4: [] });
      await create(v6(1));
      await assert.rejects(create(v6(2)), { code: "FW3002", message: /fd00:9::\/64/ });
    });
  });

  test("a flushed packet filter is back after the next change, whole", async () => {
    await create(networkRequest(1));
    host.kernel.nft.flush();
    await create(networkRequest(2));
    assert.match(host.log.lines.join("\n"), /packet filter had been changed by others/);
  });
});
