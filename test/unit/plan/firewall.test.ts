import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { planRuleset } from "../../../src/plan/firewall.ts";
import { publishedMarkBit } from "../../../src/plan/names.ts";
import type { NftAction, NftRule, NftSelector, NftSet, NftType } from "../../../src/plan/ruleset.ts";
import { rulesetText } from "./ruleset-text.ts";

const ruleset = planRuleset();
const tables = ruleset.tables.map((table) => ({
  ...table,
  setByName: new Map(table.sets.map((set) => [set.name, set])),
}));
const selectorTypes: Readonly<Record<NftSelector, NftType | undefined>> = {
  iifname: "ifname",
  oifname: "ifname",
  "ip saddr": "ipv4_addr",
  "ip daddr": "ipv4_addr",
  "ip6 saddr": "ipv6_addr",
  "ip6 daddr": "ipv6_addr",
  l4proto: "inet_proto",
  "th dport": "inet_service",
  nfproto: undefined,
};

interface SetUse {
  readonly name: string;
  readonly select: readonly NftSelector[];
  readonly data: NftSet["data"];
}

function usesOf(rule: NftRule): SetUse[] {
  const matches = rule.match.flatMap((match) =>
    "in" in match ? [{ name: match.in, select: match.select, data: undefined }] : [],
  );
  const { action } = rule;
  if ("vmap" in action) {
    return [...matches, { name: action.vmap, select: action.select, data: "verdict" }];
  }
  if (!("map" in action)) {
    return matches;
  }
  const family = familyOf(action);
  const address: NftType = family === "ipv4" ? "ipv4_addr" : "ipv6_addr";
  const data: NftType[] = "dnat" in action && action.port ? [address, "inet_service"] : [address];
  return [...matches, { name: action.map, select: action.select, data }];
}

function familyOf(action: Extract<NftAction, { readonly map: string }>): "ipv4" | "ipv6" {
  if ("rewrite" in action) {
    return action.rewrite.includes("ip6") ? "ipv6" : "ipv4";
  }
  return "dnat" in action ? action.dnat : action.snat;
}

function targetsOf({ action }: NftRule): string[] {
  return "verdict" in action && typeof action.verdict === "object" ? Object.values(action.verdict) : [];
}

describe("the ruleset", () => {
  test("is the one that was reviewed (update with FAIRWAY_GOLDEN=write)", () => {
    const path = new URL("golden/ruleset.txt", import.meta.url);
    if (process.env["FAIRWAY_GOLDEN"] === "write") {
      writeFileSync(path, rulesetText(ruleset));
    }
    assert.equal(rulesetText(ruleset), readFileSync(path, "utf8"));
  });

  test("names every set, map and chain once", () => {
    const sets = ruleset.tables.flatMap((table) => table.sets.map(({ name }) => name));
    assert.equal(new Set(sets).size, sets.length);
    for (const { chains } of ruleset.tables) {
      assert.equal(new Set(chains.map(({ name }) => name)).size, chains.length);
    }
  });

  test("uses only sets that exist, with keys and data of their types, and uses every one of them", () => {
    for (const { chains, setByName } of tables) {
      const used = new Set<string>();
      for (const use of chains.flatMap(({ rules }) => rules.flatMap(usesOf))) {
        const set = setByName.get(use.name);
        assert.ok(set !== undefined, `set ${use.name}`);
        assert.deepEqual(
          use.select.map((selector) => selectorTypes[selector]),
          set.key,
          `key of ${use.name}`,
        );
        assert.deepEqual(use.data, set.data, `data of ${use.name}`);
        used.add(use.name);
      }
      assert.deepEqual(
        [...setByName.keys()].filter((name) => !used.has(name)),
        [],
        "sets that nothing looks at",
      );
    }
  });

  test("jumps only to plain chains that are defined before, and to every one of them", () => {
    for (const { chains } of ruleset.tables) {
      const plain = chains.filter(({ hook }) => hook === undefined).map(({ name }) => name);
      const jumps = chains.flatMap(({ name, rules }) =>
        rules.flatMap(targetsOf).map((target) => ({ from: name, target })),
      );
      for (const { from, target } of jumps) {
        assert.ok(plain.includes(target), `${from} goes to ${target}`);
        const order = chains.map(({ name }) => name);
        assert.ok(order.indexOf(target) < order.indexOf(from), `${target} comes before ${from}`);
      }
      // The elements of a verdict map lead to it.
      const reached = new Set([...jumps.map(({ target }) => target), "isolated_peers"]);
      assert.deepEqual(
        plain.filter((name) => !reached.has(name)),
        [],
      );
    }
  });

  test("treats IPv4 and IPv6 alike", () => {
    const text = rulesetText(ruleset);
    const ipv4ToIpv6: [RegExp, string][] = [
      [/127\.0\.0\.0\/8/g, "::1/128"],
      [/240\.0\.0\.0\/8/g, "fd66:6169:7277:6179::/64"],
      [/\bipv4/g, "ipv6"],
      [/\bip ([sd]addr)/g, "ip6 $1"],
      [/(@\w+|(?:set|map) \w+?)4\b/g, "$16"],
    ];
    // What only one family has: types of errors are no range in ICMP, and IPv6 talks to its neighbours by IPv6.
    const ownWays = /icmp|fe80::|ip6 saddr ::\/128/;
    const lines = text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => !ownWays.test(line));
    const isIpv4 = (line: string): boolean => /\bipv4|\bip [sd]addr|@\w+4\b|(set|map) \w+4\b/.test(line);
    const isIpv6 = (line: string): boolean => /\bipv6|\bip6 [sd]addr|@\w+6\b|(set|map) \w+6\b/.test(line);
    const translated = lines
      .filter(isIpv4)
      .map((line) => ipv4ToIpv6.reduce((result, [from, to]) => result.replace(from, to), line));
    assert.deepEqual(translated.sort(), lines.filter(isIpv6).sort());
  });

  test("never accepts or drops what is not ours: base chains fall through for strangers", () => {
    const ours = ["own_gateway4", "own_gateway6", "intra", "isolated"];
    const isOurs = (rule: NftRule): boolean =>
      usesOf(rule).some((use) => ours.includes(use.name)) ||
      rule.match.some((match) => "group" in match || ("markBit" in match && match.markBit === publishedMarkBit));
    /** Behind it, strangers have left the chain. */
    const isExit = ({ match, action }: NftRule): boolean =>
      match.length === 1 &&
      match.some((one) => "group" in one && one.negate === true) &&
      "verdict" in action &&
      action.verdict === "return";
    for (const { name, hook, rules } of ruleset.tables.flatMap(({ chains }) => chains)) {
      const exit = rules.findIndex(isExit);
      for (const [index, rule] of hook?.type === "filter" ? rules.entries() : []) {
        assert.ok(isOurs(rule) || (exit >= 0 && index > exit), `a rule of ${name} looks whether it is ours`);
      }
    }
  });

  test("is the same every time", () => {
    assert.deepEqual(planRuleset(), ruleset);
  });
});
