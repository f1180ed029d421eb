import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { renderBird } from "../../../src/bgp/bird-text.ts";
import { renderFrr } from "../../../src/bgp/frr-text.ts";
import { FairwayError } from "../../../src/errors.ts";
import { fullPlan, planOf } from "./plans.ts";

const renderers = { bird: renderBird, frr: renderFrr } as const;
const kinds = ["bird", "frr"] as const;

for (const kind of kinds) {
  describe(`text for ${kind}`, () => {
    const golden = (name: string): string =>
      readFileSync(new URL(`golden/${kind}-${name}.conf`, import.meta.url), "utf8");

    test("with everything", () => {
      assert.equal(renderers[kind](fullPlan(kind)), golden("full"));
    });

    test("with filters only", () => {
      assert.equal(renderers[kind](planOf({ daemon: kind })), golden("filters"));
    });

    test("with an AS and kernel protocols, but no peers", () => {
      assert.equal(renderers[kind](planOf({ daemon: kind, localAs: 65011, standalone: true })), golden("standalone"));
    });
  });
}

describe("what is typed stays in its place", () => {
  const peer = { name: "tor", address: "10.99.0.1", as: 65000 };
  const shape = (text: string): number[] => [
    text.split("\n").length,
    ...['"', "{", "}", ";", "!"].map((mark) => text.split(mark).length),
  ];

  /** Text for each daemon, or undefined when the value was refused. */
  function texts(change: object, flatSpace: readonly string[] = []): string[] | undefined {
    try {
      return kinds.map((daemon) => renderers[daemon](planOf({ daemon, localAs: 65011, ...change }, flatSpace)));
    } catch (error) {
      assert.ok(error instanceof FairwayError && error.code === "FW2005", String(error));
      return undefined;
    }
  }

  const hostile = [
    'x"; configure "/etc/passwd',
    "a\nrouter bgp 1",
    "a; b",
    "a}",
    "{",
    "a b",
    "!",
    "#",
    "a\u0000",
    "..",
    "10.0.0.1/24\n",
    "10.0.0.0/8+",
    "é",
    "",
    "$(id)",
    "65000:1 no-export",
    "65000:01",
    "65536:1",
    "-1:2",
    "1:2:3:4",
    "1:2:4294967296",
    "fe80::1%eth0",
    "0.0.0.0",
    "eth0;",
    "%d",
  ];
  for (const value of hostile) {
    test(`${JSON.stringify(value)} is refused wherever text is taken`, () => {
      assert.equal(texts({ peers: [{ ...peer, name: value }] }), undefined);
      assert.equal(texts({ peers: [{ ...peer, communities: [value] }] }), undefined);
      assert.equal(texts({ peers: [{ ...peer, exportPrefixes: [value] }] }), undefined);
      assert.equal(texts({ routerId: value }), undefined);
      assert.equal(texts({}, [value]), undefined);
      if (value !== "0.0.0.0" && value !== "fe80::1") {
        assert.equal(texts({ peers: [{ ...peer, address: value }] }), undefined);
      }
      if (value !== "0.0.0.0") {
        assert.equal(texts({ peers: [{ ...peer, address: "fe80::1", interface: value }] }), undefined);
      }
    });
  }

  test("numbers are numbers", () => {
    for (const value of [0, -1, 4_294_967_296, 1.5, "65000", null, [1], { toString: 1 }]) {
      assert.equal(texts({ localAs: value }), undefined);
      assert.equal(texts({ peers: [{ ...peer, as: value }] }), undefined);
      assert.equal(texts({ peers: [{ ...peer, multihop: value === "65000" ? "3" : 0 }] }), undefined);
      assert.equal(texts({ peers: [{ ...peer, holdSeconds: 2 }] }), undefined);
    }
    assert.ok(texts({ peers: [{ ...peer, as: 4_294_967_295 }] })?.every((text) => text.includes("4294967295")));
  });

  test("whatever is accepted as a name or an interface changes no line but its own", () => {
    const plain = texts({ peers: [{ ...peer, address: "fe80::1", interface: "eth0" }] })?.map(shape);
    const typed = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.stringMatching(/^[ -~]{1,16}$/));
    fc.assert(
      fc.property(typed, typed, (name, ifName) => {
        for (const change of [{ name }, { interface: ifName }]) {
          const got = texts({ peers: [{ ...peer, address: "fe80::1", interface: "eth0", ...change }] });
          assert.ok(got === undefined || JSON.stringify(got.map(shape)) === JSON.stringify(plain));
        }
      }),
    );
  });
});
