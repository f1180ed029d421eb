import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { EngineNames } from "../../../src/engine/name-book.ts";
import type { EnginePort, NetworkNames } from "../../../src/engine/port.ts";
import { endpointId, networkId } from "../../fakes/requests.ts";

class FakeEngine implements Pick<EnginePort, "namesOf"> {
  readonly asked: string[] = [];
  answer: NetworkNames | undefined = { network: "shop", containers: new Map([[endpointId(1), "web"]]) };

  async namesOf(id: string): Promise<NetworkNames | undefined> {
    this.asked.push(id);
    return this.answer;
  }
}

/** Far beyond every delay; the promise behind the timer has settled afterwards. */
async function later(): Promise<void> {
  mock.timers.tick(10_000);
  await new Promise((resolve) => setImmediate(resolve));
}

describe("the name book", () => {
  test("knows nothing at once and the names a moment later, with one question for many requests", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    const engine = new FakeEngine();
    const names = new EngineNames(engine);
    names.refresh(networkId(1));
    names.refresh(networkId(1));
    assert.deepEqual(engine.asked, []);
    assert.equal(names.networkName(networkId(1)), undefined);
    await later();
    assert.deepEqual(engine.asked, [networkId(1)]);
    assert.equal(names.networkName(networkId(1)), "shop");
    assert.equal(names.containerOf(endpointId(1)), "web");
    assert.equal(names.containerOf(endpointId(2)), undefined);
  });

  test("keeps what it knows when the engine does not answer, and asks again when told to", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    const engine = new FakeEngine();
    const names = new EngineNames(engine);
    names.refresh(networkId(1));
    await later();
    engine.answer = undefined;
    names.refresh(networkId(1));
    await later();
    assert.equal(engine.asked.length, 2);
    assert.equal(names.networkName(networkId(1)), "shop");
    names.forget(networkId(1));
    assert.equal(names.networkName(networkId(1)), undefined);
  });

  test("asks nothing more once it is closed", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    const engine = new FakeEngine();
    const names = new EngineNames(engine);
    names.refresh(networkId(1));
    names.close();
    names.refresh(networkId(2));
    await later();
    assert.deepEqual(engine.asked, []);
  });
});
