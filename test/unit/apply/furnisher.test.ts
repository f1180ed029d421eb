import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  hostEndpointRequest,
  hostNetworkRequest,
  joinRequest,
  networkId,
  networkRequest,
  programRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

describe("what an engine leaves undone inside a sandbox", () => {
  let host: FakeHost;
  let moved: string;
  const furnish = (number = 1): Promise<boolean> => host.workshop.furnisher.furnish(endpointId(number));
  const furnished = (): string[] => [...host.kernel.sandboxes.furnished.keys()];
  const asked = (): number => host.run.process.calls.filter((call) => call === "sandboxes.furnish").length;

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
    await host.driver.createNetwork(hostNetworkRequest(1), fakeCall());
    await host.driver.createEndpoint(hostEndpointRequest(1), fakeCall());
    const { interface: name } = await host.driver.join(joinRequest(1), fakeCall());
    moved = name?.srcName ?? "";
  });
  afterEach(() => host.checkNothingLeaks());

  test("waits for the interface: not before it is inside, and then at once", async () => {
    assert.equal(await furnish(), false);
    assert.deepEqual(furnished(), []);
    host.kernel.links.moveToSandbox(moved, sandboxKey(1));
    await host.quiet();
    assert.equal(furnished().length, 1);
    assert.equal(await furnish(), true);
  });

  test("is done when the engine says that the container's way out is there, without any event", async () => {
    await host.kernel.links.monitor.close();
    host.kernel.links.moveToSandbox(moved, sandboxKey(1));
    assert.deepEqual(furnished(), []);
    await host.driver.programExternalConnectivity(programRequest([]), fakeCall());
    assert.equal(furnished().length, 1);
  });

  test("is tried again when the sandbox cannot be opened yet", async () => {
    await host.kernel.links.monitor.close();
    const pending = host.workshop.furnisher.furnishSoon(endpointId(1));
    await host.quiet();
    assert.deepEqual(furnished(), []);
    assert.ok(asked() >= 1);
    host.kernel.links.moveToSandbox(moved, sandboxKey(1));
    // Its pauses alone would let the process end.
    const alive = setInterval(() => undefined, 1000);
    await pending;
    clearInterval(alive);
    assert.equal(furnished().length, 1);
    assert.ok(asked() >= 2);
  });

  test("never fails a call: a refusal is logged and not repeated", async () => {
    host.run.process.failNext("sandboxes.furnish", "EPERM");
    const before = asked();
    await host.workshop.furnisher.furnishSoon(endpointId(1));
    assert.equal(asked(), before + 1);
    assert.match(host.log.lines.join("\n"), /error could not furnish a sandbox: .*EPERM/);
  });

  test("is nothing for bridges, for endpoints that left, and for unknown ones: the kernel is not asked", async () => {
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await host.driver.createEndpoint(endpointRequest(2, 2), fakeCall());
    await host.driver.join(joinRequest(2, 2), fakeCall());
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    for (const number of [1, 2, 9]) {
      assert.equal(await furnish(number), true);
    }
    assert.equal(asked(), 0);
  });
});
