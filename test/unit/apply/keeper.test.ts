import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { removeForgotten } from "../../../src/apply/forgotten.ts";
import type { EndpointId } from "../../../src/model/ids.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  joinRequest,
  networkId,
  networkRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

const hourMs = 3_600_000;

describe("the keeper", () => {
  let host: FakeHost;

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
    await host.driver.createNetwork(networkRequest(1), fakeCall());
    await host.driver.createEndpoint(endpointRequest(1), fakeCall());
  });

  /** Lets every pause end that the keeper could make, and its look be over. */
  async function look(): Promise<void> {
    mock.timers.tick(500);
    await host.quiet();
  }

  const disorders: [string, () => void][] = [
    ["a flushed packet filter", () => host.kernel.nft.flush()],
    [
      "an engine that started late",
      () => {
        host.kernel.engineFirewall.admitted = false;
      },
    ],
    [
      "another default route",
      () => {
        host.kernel.links.defaultRoute = { name: "wlan0", mtuBytes: 1500 };
      },
    ],
  ];
  for (const [name, disturb] of disorders) {
    test(`puts right ${name}, soon after a nudge`, async (context) => {
      mock.timers.enable({ apis: ["setTimeout"] });
      context.after(() => mock.timers.reset());
      disturb();
      host.workshop.keeper.nudge();
      await look();
      await host.checkNothingLeaks();
    });
  }

  test("goes on after a look that failed", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    host.kernel.nft.flush();
    host.run.process.failNext("nft.isIntact", "ENOBUFS");
    host.workshop.keeper.nudge();
    await look();
    assert.match(host.log.lines.join("\n"), /error could not look after the kernel: .*ENOBUFS/);
    mock.timers.tick(1500);
    await host.quiet();
    await host.checkNothingLeaks();
  });

  test("reads all interfaces and routes once in four seconds, however often it looks", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    let nowMs = 10_000;
    mock.method(performance, "now", () => nowMs);
    context.after(() => {
      mock.timers.reset();
      mock.restoreAll();
    });
    const { calls } = host.run.process;
    const count = (call: string): number => calls.filter((one) => one === call).length;
    const from = { routes: count("routes.listOwned"), links: count("links.listOwned"), rules: count("nft.isIntact") };
    const full: number[] = [];
    for (const afterMs of [0, 2000, 3999, 4000, 6000, 8000]) {
      nowMs = 10_000 + afterMs;
      host.workshop.keeper.nudge();
      mock.timers.tick(10_000);
      await host.quiet();
      full.push(count("routes.listOwned") - from.routes);
      assert.equal(count("links.listOwned") - from.links, full.at(-1));
    }
    assert.deepEqual(full, [1, 1, 1, 2, 2, 3]);
    assert.equal(count("nft.isIntact") - from.rules, 6, "the packet filter is looked at each time");
  });

  test("touches nothing while there is no network, and nothing once it is disposed of", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    await host.driver.deleteNetwork(networkId(1), fakeCall());
    await host.quiet();
    const { length } = host.run.process.calls;
    host.workshop.keeper.nudge();
    await look();
    host.workshop.keeper[Symbol.dispose]();
    host.workshop.keeper.nudge();
    await look();
    assert.equal(host.run.process.calls.length, length);
  });
});

describe("forgotten endpoints", () => {
  let host: FakeHost;
  let suspects: Map<EndpointId, number>;
  const look = (nowMs: number): Promise<void> => removeForgotten(host.workshop, suspects, nowMs);
  const left = (): string[] => host.workshop.registry.endpoints().map(({ id }) => id);

  beforeEach(async () => {
    host = new FakeHost();
    suspects = new Map();
    await host.start();
    await host.driver.createNetwork(networkRequest(1), fakeCall());
    await host.driver.createEndpoint(endpointRequest(1), fakeCall());
  });

  test("one that was created and never joined goes after a long while, not before", async () => {
    await look(0);
    await look(60_000);
    assert.deepEqual(left(), [endpointId(1)]);
    await look(hourMs);
    assert.deepEqual(left(), []);
    await host.checkNothingLeaks();
  });

  test("one whose pair never reached a sandbox goes as well", async () => {
    await host.driver.join(joinRequest(1), fakeCall());
    await look(0);
    await look(hourMs);
    assert.deepEqual(left(), []);
    await host.checkNothingLeaks();
  });

  test("one that was joined before a restart, and whose interface is back, goes soon: its container has ended", async () => {
    const { interface: moved } = await host.driver.join(joinRequest(1), fakeCall());
    host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(1));
    await host.restart();
    await look(0);
    await look(5000);
    assert.deepEqual(left(), [endpointId(1)], "it is in its sandbox");
    host.kernel.links.moveBack(moved?.srcName ?? "");
    await look(6000);
    await look(9000);
    assert.deepEqual(left(), [endpointId(1)], "the engine may be about to move it");
    await look(10_000);
    assert.deepEqual(left(), []);
    await host.checkNothingLeaks();
  });

  test("one that was created before a restart goes when the engine has given up repeating its calls", async () => {
    await host.restart();
    await look(0);
    await look(9000);
    assert.deepEqual(left(), [endpointId(1)], "a join may still be repeated");
    await look(15_000);
    assert.deepEqual(left(), []);
    await host.checkNothingLeaks();
  });

  test("one that a call is about after a restart has the long while again", async () => {
    await host.restart();
    await look(0);
    await host.driver.createEndpoint(endpointRequest(1), fakeCall());
    await look(15_000);
    assert.deepEqual(left(), [endpointId(1)]);
    await host.driver.join(joinRequest(1), fakeCall());
    await host.restart();
    suspects.clear();
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    await look(20_000);
    await look(60_000);
    assert.deepEqual(left(), [endpointId(1)]);
    await look(hourMs);
    assert.deepEqual(left(), []);
  });

  test("one in a sandbox stays for ever, however long it took to get there", async () => {
    await look(0);
    const { interface: moved } = await host.driver.join(joinRequest(1), fakeCall());
    host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(1));
    await look(hourMs);
    await look(2 * hourMs);
    assert.deepEqual(left(), [endpointId(1)]);
  });

  test("one that was in a sandbox meanwhile begins anew", async () => {
    await look(0);
    const { interface: moved } = await host.driver.join(joinRequest(1), fakeCall());
    host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(1));
    await look(1000);
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    host.kernel.links.moveBack(moved?.srcName ?? "");
    await look(hourMs);
    assert.deepEqual(left(), [endpointId(1)]);
    await look(2 * hourMs);
    assert.deepEqual(left(), []);
  });

  test("one that a call is just changing stays", async () => {
    await look(0);
    await Promise.all([host.driver.join(joinRequest(1), fakeCall()), look(hourMs)]);
    assert.deepEqual(left(), [endpointId(1)]);
    await host.checkNothingLeaks();
  });
});
