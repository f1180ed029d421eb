import assert from "node:assert/strict";
import { test } from "node:test";
import { logCall } from "../../../src/wire/call-log.ts";
import { driverCalls } from "../../bench/driver-log.ts";
import { recordingLogger } from "../../wire/room.ts";

test("calls are found among other lines, in the form in which the driver writes them", () => {
  const { logger, log: lines } = recordingLogger("info");
  logger.info("listening");
  logCall(logger, { requestId: "r", method: "Join", content: {}, durationMs: 1.26, delivered: true, hidden: false });
  const log = `${lines.map((line) => JSON.stringify(line)).join("\n")}\nnot JSON {\n{"msg":"cut o`;
  assert.deepEqual(
    driverCalls(log).map(({ method, durationMs, outcome }) => ({ method, durationMs, outcome })),
    [{ method: "Join", durationMs: 1.3, outcome: "ok" }],
  );
});
