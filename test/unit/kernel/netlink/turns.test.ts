import assert from "node:assert/strict";
import { test } from "node:test";
import { mapInTurns } from "../../../../src/kernel/netlink/turns.ts";

test("results come in the order of the items, however many there are", async () => {
  for (const count of [0, 1, 500, 501, 1500]) {
    const items = Array.from({ length: count }, (_, index) => index);
    assert.deepEqual(
      await mapInTurns(items, (item) => item + 1),
      items.map((item) => item + 1),
    );
  }
});

test("others get their turn before the last of many items is done", async () => {
  let done = 0;
  const seen = Promise.withResolvers<number>();
  setImmediate(() => seen.resolve(done));
  await mapInTurns(new Array<undefined>(2000).fill(undefined), () => {
    done += 1;
  });
  assert.ok((await seen.promise) < 2000);
  assert.equal(done, 2000);
});

test("what one item throws is the outcome", async () => {
  const fail = (): never => {
    throw new RangeError("one of them");
  };
  await assert.rejects(mapInTurns([1], fail), RangeError);
});
