import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { summarize } from "../../bench/stats.ts";

test("median and 95th percentile lie between the samples around them", () => {
  assert.deepEqual(summarize([7]), { median: 7, p95: 7, count: 1 });
  assert.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, p95: 3.8499999999999996, count: 4 });
  assert.equal(summarize(Array.from({ length: 101 }, (_, index) => index)).p95, 95);
});

test("order and scale of the samples change nothing but the scale", () => {
  const samples = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1 });
  fc.assert(
    fc.property(samples, (values) => {
      const { median, p95, count } = summarize(values);
      assert.equal(count, values.length);
      assert.ok(Math.min(...values) <= median && median <= p95 && p95 <= Math.max(...values));
      assert.deepEqual(summarize([...values].reverse()), { median, p95, count });
    }),
  );
});

test("nothing measured is no figure", () => {
  assert.throws(() => summarize([]), /nothing was measured/);
});
