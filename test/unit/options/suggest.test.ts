import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, suggest } from "../../../src/options/suggest.ts";

const words = new Map(["mtu", "icc", "bridge_name", "masquerade"].map((word) => [word, word]));

test("edit distance of known pairs", () => {
  const pairs = [
    ["", "", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["mut", "mtu", 1],
    ["ca", "abc", 3],
    ["bridge", "brigde", 1],
  ] as const;
  for (const [a, b, distance] of pairs) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
  }
});

test("edit distance is symmetric, zero for equals only, and grows little per edit", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, fc.nat(8), (a, b, position) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
      assert.ok(editDistance(a, b) >= Math.abs(a.length - b.length));
      const edited = `${b.slice(0, position)}x${b.slice(position)}`;
      // One for the new letter, and one when it parts a swapped pair, which then counts as two edits.
      assert.ok(editDistance(a, edited) <= editDistance(a, b) + 2);
    }),
  );
});

test("case, dashes and dots are no difference", () => {
  for (const spelling of ["bridgeName", "bridge-name", "BRIDGE_NAME", "Bridge.Name", "_bridge_name_", "bridgename"]) {
    assert.equal(suggest(spelling, words), "bridge_name", spelling);
  }
});

test("short words allow few edits", () => {
  assert.equal(suggest("mtu2", words), "mtu");
  assert.equal(suggest("mac", words), undefined);
  assert.equal(suggest("abc", words), undefined);
  assert.equal(suggest("", words), undefined);
});

test("the number of edits can be bounded", () => {
  assert.equal(suggest("maskerad", words), "masquerade");
  assert.equal(suggest("maskerad", words, 2), undefined);
});

test("hostile length costs nothing", () => {
  assert.equal(suggest("m".repeat(1_000_000), words), undefined);
});
