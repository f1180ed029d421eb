import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { renderTable } from "../../lab/table.ts";
import { wrap } from "../../lab/wrap.ts";

const columns = [{ title: "#", rigid: true }, { title: "tried" }, { title: "got" }, { title: "ok", rigid: true }];

describe("a table for a terminal", () => {
  test("is as narrow as its cells", () => {
    const rows = [
      ["1", "a request", "answered", "yes"],
      ["10", "another", "refused", "NO"],
    ];
    assert.equal(
      renderTable(columns, rows, { width: 100 }),
      [
        "---+-----------+----------+----",
        "#  | tried     | got      | ok",
        "---+-----------+----------+----",
        "1  | a request | answered | yes",
        "---+-----------+----------+----",
        "10 | another   | refused  | NO",
        "---+-----------+----------+----",
      ].join("\n"),
    );
  });

  test("leaves out the rules between rows where lines are many", () => {
    const rows = [
      ["1", "a", "b", "yes"],
      ["2", "c", "d", "NO"],
    ];
    const lines = renderTable(columns, rows, { width: 30, rules: "few" }).split("\n");
    assert.deepEqual(lines.slice(2), [
      "--+-------+-----+----",
      "1 | a     | b   | yes",
      "2 | c     | d   | NO",
      "--+-------+-----+----",
    ]);
  });

  test("wraps long cells between words, keeps rigid columns whole", () => {
    const rows = [["1", "one two three four five six", "seven eight nine", "yes"]];
    const lines = renderTable(columns, rows, { width: 36 }).split("\n");
    assert.deepEqual(lines.slice(3, -1), [
      "1 | one two     | seven eight  | yes",
      "  | three four  | nine         |",
      "  | five six    |              |",
    ]);
  });

  test("never exceeds its width, whatever is in the cells, and loses no character of them", () => {
    const cell = fc.string({ unit: "grapheme-ascii", maxLength: 300 });
    const row = fc.tuple(fc.nat(99).map(String), cell, cell, fc.constantFrom("yes", "NO"));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
        const text = renderTable(columns, rows, { width: 100 });
        assert.ok(text.split("\n").every((line) => line.length <= 100));
        assert.equal(inked(text), inked([columns.map(({ title }) => title), ...rows].flat().join("")));
      }),
    );
  });

  test("paints the lines of a row without counting the paint", () => {
    const paint = (line: string, row: readonly string[]) => (row.at(-1) === "NO" ? `<${line}>` : line);
    const rows = [
      ["1", "a", "b", "yes"],
      ["2", "a", "b", "NO"],
    ];
    const lines = renderTable(columns, rows, { width: 30, paint }).split("\n");
    assert.deepEqual(lines.slice(3, 6), ["1 | a     | b   | yes", "--+-------+-----+----", "<2 | a     | b   | NO>"]);
  });
});

describe("wrapping", () => {
  test("breaks words that are longer than a line, and keeps line breaks", () => {
    assert.deepEqual(wrap("abcdefgh ij\nkl", 3), ["abc", "def", "gh", "ij", "kl"]);
  });

  test("an empty text is one empty line", () => {
    assert.deepEqual(wrap("", 10), [""]);
  });
});

/** What is left without blanks and lines: the order of cells is not that of the text, so it is sorted. */
function inked(text: string): string {
  return [...text.replace(/[\s|+-]/g, "")].sort().join("");
}
