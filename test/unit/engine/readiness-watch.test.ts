import assert from "node:assert/strict";
import { test } from "node:test";
import type { EnginePort } from "../../../src/engine/port.ts";
import { ReadinessWatch } from "../../../src/engine/readiness-watch.ts";
import { createFakeLog } from "../../fakes/fake-log.ts";

for (const isOff of [false, true]) {
  test(`an engine that is ${isOff ? "never asked is not followed, and the log says so once" : "asked is followed"}`, () => {
    let asked = 0;
    const engine: EnginePort = {
      namesOf: async () => undefined,
      followReadiness: () => {
        asked += 1;
        return new Promise(() => undefined);
      },
    };
    const log = createFakeLog();
    const watch = new ReadinessWatch({ engine, listener: () => undefined, log: log.logger, isOff });
    watch.begin();
    watch.begin();
    watch.close();
    assert.equal(asked, isOff ? 0 : 1);
    assert.deepEqual(
      log.lines.map((line) => line.includes("dockerHost is none")),
      isOff ? [true] : [],
    );
  });
}
