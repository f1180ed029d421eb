import { test } from "node:test";
import fc from "fast-check";
import { actions } from "./sequences/actions.ts";
import { runSequence } from "./sequences/engine.ts";

// The same sequences each time, so that a change is judged by what it changes. More and others for a night:
// FAIRWAY_SEQUENCES=100000 FAIRWAY_SEED=$RANDOM.
const numRuns = Number(process.env["FAIRWAY_SEQUENCES"] ?? 1000);
const seed = Number(process.env["FAIRWAY_SEED"] ?? 20_261_122);

test("whatever an engine sends, in whatever order, and whatever fails, nothing leaks and nothing promised is lost", async () => {
  await fc.assert(fc.asyncProperty(actions, runSequence), { numRuns, seed });
});
