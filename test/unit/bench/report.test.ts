import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Figure, isMet, ratioOf } from "../../bench/figure.ts";
import { detailTable, jsonOf, notesOf, summaryTable } from "../../bench/report.ts";
import { summarize } from "../../bench/stats.ts";

const connect: Figure = {
  bench: "connect",
  what: "connect, 1 port",
  unit: "ms",
  fairway: summarize([30, 30]),
  peer: summarize([50, 50]),
  target: { id: "P1", atMost: 0.7 },
};

describe("ratios", () => {
  test("are of medians, net of the base", () => {
    assert.equal(ratioOf(connect), 0.6);
    assert.equal(ratioOf({ ...connect, base: summarize([20]) }), 1 / 3);
  });

  test("are absent without a peer and when the difference to the base is lost", () => {
    const { peer: _, ...alone } = connect;
    assert.equal(ratioOf(alone), undefined);
    assert.equal(ratioOf({ ...connect, base: summarize([60]) }), undefined);
    assert.equal(isMet(alone), undefined);
  });

  test("meet a limit from below or from above", () => {
    assert.equal(isMet(connect), true);
    assert.equal(isMet({ ...connect, target: { id: "P2", atMost: 0.45 } }), false);
    assert.equal(isMet({ ...connect, target: { id: "D7", atLeast: 0.5 } }), true);
    assert.equal(isMet({ ...connect, target: { id: "D7", atLeast: 3 } }), false);
  });
});

describe("goals in the figure's own unit", () => {
  const { peer: _, ...alone } = { ...connect, target: { id: "A1", of: "median", atMost: 10 } } as const;

  test("need no peer", () => {
    assert.equal(isMet(alone), false);
    assert.equal(isMet({ ...alone, fairway: summarize([10]) }), true);
    assert.match(summaryTable([alone]), /\| 30\.0 ms \| +\| +\| A1 ≤ 10 ms \| NO {2}\|$/);
  });

  test("are met by what is below zero", () => {
    assert.equal(isMet({ ...alone, target: { ...alone.target, atMost: 0 }, fairway: summarize([-5]) }), true);
  });
});

describe("tables", () => {
  test("show both sides, the ratio and the verdict", () => {
    assert.equal(
      summaryTable([connect, { ...connect, what: "missed", target: { id: "P2", atMost: 0.05 } }]),
      [
        "| bench   | what            | fairway | built-in | ratio | target    | met |",
        "| ------- | --------------- | ------- | -------- | ----- | --------- | --- |",
        "| connect | connect, 1 port | 30.0 ms | 50.0 ms  | 0.60  | P1 ≤ 0.7  | yes |",
        "| connect | missed          | 30.0 ms | 50.0 ms  | 0.60  | P2 ≤ 0.05 | NO  |",
      ].join("\n"),
    );
  });

  test("name another peer than the built-in driver", () => {
    const figure: Figure = { ...connect, peerIs: "docker-proxy", unit: "1/s", note: "pinned" };
    assert.match(summaryTable([figure]), /\| 50 1\/s \(docker-proxy\) \|/);
    assert.match(detailTable([figure]), /\| 1\/s +\| 30 +\| 30 +\| 2 +\| docker-proxy \| 50 /);
    assert.deepEqual(notesOf([figure, figure, connect]), ["connect, 1 port: pinned"]);
  });

  test("leave out of the summary what is compared with nothing", () => {
    const { peer: _, ...alone } = connect;
    assert.equal(summaryTable([alone]).split("\n").length, 2);
    assert.equal(detailTable([alone]).split("\n").length, 3);
  });

  test("programs get the same with numbers", () => {
    assert.deepEqual(jsonOf([connect]), [{ ...connect, ratio: 0.6, met: true }]);
  });
});
