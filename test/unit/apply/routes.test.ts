import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { followReadiness } from "../../../src/apply/readiness.ts";
import { reconcile } from "../../../src/apply/reconcile.ts";
import { followBlocks, settleRoutes } from "../../../src/apply/routes.ts";
import { Workshop } from "../../../src/apply/workshop.ts";
import type { RouteSpec } from "../../../src/kernel/ports.ts";
import { type Prefix, parsePrefix } from "../../../src/model/ip.ts";
import { Registry } from "../../../src/store/registry.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import { FakeKernel } from "../../fakes/fake-kernel.ts";
import { createFakeLog } from "../../fakes/fake-log.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import {
  endpointId,
  hostEndpointRequest,
  hostNetworkRequest,
  joinRequest,
  networkId,
  routedEndpointOf,
  routedEndpointRequest,
  routedNetworkOf,
  routedNetworkRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

const block = (text: string, metric = 9900): RouteSpec => ({ destination: parsePrefix(text), metric });
const { hostIf } = routedEndpointOf();

describe("routes of flat addresses", () => {
  let host: FakeHost;
  const routes = (): string[] =>
    host.kernel.routes
      .owned()
      .map(({ destination, metric, device }) => `${destination} ${device ?? "-"} ${metric}`)
      .sort();
  const all = [
    `10.20.1.0/24 - 9900`,
    `10.20.1.2/32 ${hostIf} 9910`,
    "fd00:20:1::/64 - 9900",
    `fd00:20:1::2/128 ${hostIf} 9910`,
  ];
  const settle = (): Promise<void> => settleRoutes(host.workshop);
  const logged = (): string => host.log.lines.join("\n");

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
    await host.driver.createNetwork(routedNetworkRequest(1, {}, { v6: true }), fakeCall());
    await host.driver.createEndpoint(routedEndpointRequest(1, 1, { v6: true }), fakeCall());
    const { interface: moved } = await host.driver.join(joinRequest(1), fakeCall());
    host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(1));
    await host.quiet();
  });

  test("that are right are left alone: the kernel is only asked", async () => {
    const { calls } = host.run.process;
    const from = calls.length;
    await settle();
    assert.deepEqual(calls.slice(from), ["routes.listOwned"]);
    assert.deepEqual(routes(), all);
  });

  test("that somebody flushed are put back", async () => {
    host.kernel.links.flatRoutes.clear();
    host.kernel.routes.unreachable.clear();
    await settle();
    assert.deepEqual(routes(), all);
    await host.checkNothingLeaks();
  });

  test("that nothing asks for go, whatever they are, and it is logged", async () => {
    await host.kernel.routes.add([
      block("10.20.7.0/24"),
      block("10.20.1.0/24", 9910),
      { ...block("10.20.1.9/32"), device: hostIf },
      { ...block("10.20.1.2/32", 9900), device: hostIf },
    ]);
    await settle();
    assert.deepEqual(routes(), all);
    assert.match(logged(), /warn removed leftover routes/);
  });

  test("that nothing asks for go even while somebody else's is in the way of another", async () => {
    host.kernel.links.flatRoutes.clear();
    host.kernel.routes.addForeign(block("10.20.1.2/32", 9910));
    await host.kernel.routes.add([block("10.20.7.0/24")]);
    await settle();
    assert.ok(!routes().some((text) => text.startsWith("10.20.7.0")));
    assert.match(logged(), /error could not bring routes in line: .*10\.20\.1\.2/);
  });

  test("of a container that is not healthy any more are not announced, though the disk is full", async () => {
    await host.driver.createNetwork(routedNetworkRequest(2, { announce: "healthy" }), fakeCall());
    await host.driver.createEndpoint(routedEndpointRequest(2, 2), fakeCall());
    await host.driver.join(joinRequest(2, 2), fakeCall());
    const metrics = (): string[] =>
      routes()
        .filter((text) => text.startsWith("10.20.2.3/32"))
        .map((text) => text.slice(-4));
    await followReadiness(host.workshop, endpointId(2), true);
    assert.deepEqual(metrics(), ["9900"]);
    host.run.process.failNext("store.putEndpoint", "ENOSPC");
    await followReadiness(host.workshop, endpointId(2), false);
    assert.deepEqual(metrics(), ["9910"]);
    await settle();
    assert.deepEqual(metrics(), ["9910"]);
  });

  test("of a pair that is down, or gone, are not missed", async () => {
    await host.kernel.links.setDown([hostIf]);
    await settle();
    assert.deepEqual(
      routes(),
      all.filter((text) => text.includes(" - ")),
    );
    assert.doesNotMatch(logged(), /error/);
  });

  test("of a pair that was set down and up come back with all else that it lost", async () => {
    const mends = (): number => host.run.process.calls.filter((call) => call === "links.mendNextHopLink").length;
    assert.equal(mends(), 0, "a container that starts has lost nothing");
    host.kernel.links.flatRoutes.clear();
    host.kernel.links.monitor.emitUp(hostIf);
    await host.quiet();
    assert.equal(mends(), 1);
    assert.deepEqual(routes(), all);
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    host.kernel.links.monitor.emitUp(hostIf);
    await host.quiet();
    assert.equal(mends(), 1, "an address without a container leads nowhere");
  });

  test("a pair that cannot be mended is logged, and its sandbox is looked after all the same", async () => {
    const furnished = (): number => host.run.process.calls.filter((call) => call === "sandboxes.furnish").length;
    const before = furnished();
    host.run.process.failNext("links.mendNextHopLink", "EPERM");
    host.kernel.links.monitor.emitUp(hostIf);
    await host.quiet();
    assert.match(logged(), /error could not mend a pair that came up: .*EPERM/);
    assert.equal(furnished(), before + 1);
  });

  test("of mode host are none of them", async () => {
    await host.driver.createNetwork(hostNetworkRequest(2), fakeCall());
    await host.driver.createEndpoint({ ...hostEndpointRequest(2, 2), endpointId: endpointId(2) }, fakeCall());
    await host.driver.join(joinRequest(2, 2), fakeCall());
    await settle();
    assert.deepEqual(routes(), all);
  });

  for (const call of ["routes.listOwned", "routes.add", "routes.remove"] as const) {
    test(`a refusal (${call}) is logged, and the next look does it`, async () => {
      host.kernel.links.flatRoutes.clear();
      await host.kernel.routes.add([block("10.20.7.0/24")]);
      host.run.process.failNext(call, "EPERM");
      await settle();
      assert.match(logged(), /error could not bring routes in line: .*EPERM/);
      await settle();
      assert.deepEqual(routes(), all);
    });
  }

  test("after a restart nothing changes; what was lost or left meanwhile is made good", async () => {
    await host.restart();
    assert.deepEqual(routes(), all);
    host.kill();
    host.kernel.routes.unreachable.clear();
    await host.kernel.routes.add([block("10.20.7.0/24")]);
    await host.start();
    assert.deepEqual(routes(), all);
    await host.checkNothingLeaks();
  });

  test("after a reboot the blocks stand again, and the addresses are gone with their containers", async () => {
    await host.reboot();
    assert.deepEqual(routes(), ["10.20.1.0/24 - 9900", "fd00:20:1::/64 - 9900"]);
    assert.deepEqual(host.workshop.registry.endpoints(), []);
    await host.checkNothingLeaks();
  });

  test("of a container that ended while we were down are gone, and its address can be had again", async () => {
    host.kill();
    host.kernel.links.endSandbox(sandboxKey(1));
    await host.start();
    await host.checkNothingLeaks();
    assert.equal(routes().length, 2);
    await host.driver.createEndpoint(routedEndpointRequest(1, 1, { v6: true }), fakeCall());
    await host.driver.join(joinRequest(1), fakeCall());
    assert.deepEqual(routes(), all);
  });

  test("a leave that was killed after its record: the next start takes the routes and the elements", async () => {
    host.run.process.crashNth(2, "before");
    void host.driver.leave(networkId(1), endpointId(1), fakeCall()).catch(() => undefined);
    for (let turn = 0; turn < 20 && !host.run.process.dead; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(routes().length, 4, "the pair is up still");
    await host.restart();
    assert.equal(routes().length, 2);
    await host.checkNothingLeaks();
  });

  for (let nth = 1; nth <= 9; nth += 1) {
    for (const moment of ["before", "after"] as const) {
      test(`killed ${moment} call ${nth} of a creation, a join or a deletion: the next start leaves all or nothing`, async () => {
        const steps = [
          () => host.driver.createNetwork(routedNetworkRequest(2), fakeCall()),
          () => host.driver.createEndpoint(routedEndpointRequest(2, 2), fakeCall()),
          () => host.driver.join(joinRequest(2, 2), fakeCall()),
          () => host.driver.deleteNetwork(networkId(2), fakeCall()),
        ];
        for (const [index, step] of steps.entries()) {
          host.run.process.crashNth(nth, moment);
          void step().catch(() => undefined);
          for (let turn = 0; turn < 20 && !host.run.process.dead; turn += 1) {
            await new Promise((resolve) => setImmediate(resolve));
          }
          await host.restart();
          await host.checkNothingLeaks();
          if (index < steps.length - 1) {
            await step().catch(() => undefined);
          }
        }
      });
    }
  }

  test("reconciliation beside calls does no harm", async () => {
    await host.driver.createEndpoint(routedEndpointRequest(2, 1, { v6: true }), fakeCall());
    await Promise.all([
      host.driver.join(joinRequest(2), fakeCall()),
      reconcile(host.workshop),
      host.driver.leave(networkId(1), endpointId(1), fakeCall()),
      host.driver.createNetwork(routedNetworkRequest(3), fakeCall()),
      reconcile(host.workshop),
    ]);
    await host.checkNothingLeaks();
    assert.equal(host.workshop.registry.endpoint(endpointId(2))?.state, "joined");
  });

  test("a network that is deleted while routes are looked at leaves none", async () => {
    for (let turns = 0; turns < 40; turns += 1) {
      host.run.process.delayTurns = 5;
      host.kernel.routes.unreachable.clear();
      await host.kernel.routes.add([block("10.20.7.0/24")]);
      const settling = settle();
      for (let turn = 0; turn < turns; turn += 1) {
        await undefined;
      }
      await host.driver.deleteNetwork(networkId(1), fakeCall());
      await settling;
      await host.checkNothingLeaks();
      await host.driver.createNetwork(routedNetworkRequest(1, {}, { v6: true }), fakeCall());
    }
  });
});

describe("blocks of a subnet that are this host's", () => {
  const kernel = new FakeKernel();
  let blocks: readonly Prefix[] | undefined;
  let workshop: Workshop;
  const routes = (): string[] =>
    kernel.routes
      .owned()
      .map(({ destination, metric }) => `${destination} ${metric}`)
      .sort();

  beforeEach(() => {
    const store = new FakeStore();
    store.putNetwork(routedNetworkOf());
    kernel.routes.unreachable.clear();
    workshop = new Workshop({
      registry: new Registry(store),
      kernel,
      log: createFakeLog().logger,
      addresses: {
        blocksOf: (subnet) => (subnet === "10.20.1.0/24" ? blocks : undefined),
        standingOf: () => "own",
      },
    });
  });

  test("stand instead of the subnet, come and go, and leave the other subnets alone", async () => {
    const [first, second] = ["10.20.1.0/26", "10.20.1.64/26"].map((text) => parsePrefix(text));
    assert.ok(first !== undefined && second !== undefined);
    blocks = [first];
    await settleRoutes(workshop);
    assert.deepEqual(routes(), ["10.20.1.0/26 9900", "fd00:20:1::/64 9900"]);
    blocks = [first, second];
    await followBlocks(workshop, parsePrefix("10.20.1.0/24"));
    assert.deepEqual(routes(), ["10.20.1.0/26 9900", "10.20.1.64/26 9900", "fd00:20:1::/64 9900"]);
    blocks = [second];
    await followBlocks(workshop, parsePrefix("10.20.1.0/24"));
    assert.deepEqual(routes(), ["10.20.1.64/26 9900", "fd00:20:1::/64 9900"]);
    blocks = [];
    await followBlocks(workshop, parsePrefix("10.20.1.0/24"));
    assert.deepEqual(routes(), ["fd00:20:1::/64 9900"]);
    await followBlocks(workshop, parsePrefix("10.20.9.0/24"));
    assert.deepEqual(routes(), ["fd00:20:1::/64 9900"]);
  });

  test("that were given up go with the network, too", async () => {
    blocks = ["10.20.1.0/26", "10.20.1.64/26"].map((text) => parsePrefix(text));
    await settleRoutes(workshop);
    blocks = [];
    await workshop.removeNetwork(networkId(1));
    assert.deepEqual(routes(), []);
  });
});
