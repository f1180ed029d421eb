import { test } from "node:test";
import fc from "fast-check";
import { actions } from "./sequences/actions.ts";
import { runSequence } from "./sequences/engine.ts";

// More of them for a night: FAIRWAY_SEQUENCES=100000.
const numRuns = Number(process.env["FAIRWAY_SEQUENCES"] ?? 2000);

test("whatever an engine sends, in whatever order, and whatever fails, nothing leaks and nothing promised is lost", async () => {
  await fc.assert(fc.asyncProperty(actions, runSequence), { numRuns });
});
