import assert from "node:assert/strict";
import { test } from "node:test";
import {
  admitScript,
  type ChainParts,
  chainRules,
  isAdmitted,
  readFilter,
  retractScript,
} from "../../../../src/kernel/engine-firewall/rules.ts";
import { admittedMarkBit } from "../../../../src/plan/names.ts";

const parts: ChainParts = { chain: "OURS", markBit: admittedMarkBit };
const engine = "DOCKER-USER";
const jump = `-A ${engine} -j OURS`;
const back = `-A ${engine} -j RETURN`;
const own = `-A ${engine} -s 203.0.113.0/24 -j DROP`;

function listing(engineRules: readonly string[], ownRules: readonly string[] = chainRules(parts)): string {
  return [
    "-P FORWARD DROP",
    `-N ${engine}`,
    "-N OURS",
    "-A FORWARD -j DOCKER-USER",
    ...engineRules,
    ...ownRules,
    "",
  ].join("\n");
}

function script(engineRules: readonly string[]): string[] {
  return admitScript(parts, engine, readFilter(listing(engineRules), "OURS", engine)).split("\n");
}

test("our chain has one rule: what carries the mark may pass", () => {
  assert.deepEqual(chainRules(parts), ["-A OURS -m mark --mark 0x4000000/0x4000000 -j ACCEPT"]);
});

test("only the exact rule with one jump behind the administrator's rules counts as admitted", () => {
  const admitted = (engineRules: readonly string[], ownRules?: readonly string[]): boolean =>
    isAdmitted(readFilter(listing(engineRules, ownRules), "OURS", engine), parts);
  assert.ok(admitted([jump]));
  assert.ok(admitted([jump, back]));
  assert.ok(admitted([own, jump]));
  assert.ok(admitted([own, jump, back]));
  assert.ok(admitted([back, own, jump]));
  assert.ok(!admitted([back, jump]));
  assert.ok(!admitted([jump, own]));
  assert.ok(!admitted([jump, own, back]));
  assert.ok(!admitted([own, back, jump]));
  assert.ok(!admitted([jump, jump, back]));
  assert.ok(!admitted([own, jump, jump]));
  assert.ok(!admitted([own, back]));
  assert.ok(!admitted([]));
  assert.ok(!admitted([jump], []));
  assert.ok(!admitted([jump], [...chainRules(parts), "-A OURS -j DROP"]));
  assert.ok(!admitted([jump], ["-A OURS -j DROP", ...chainRules(parts)]));
  assert.ok(!admitted([jump], chainRules({ ...parts, markBit: 0x0800_0000 })));
  assert.ok(!admitted(["-A DOCKER-USER -j OURS2"]));
});

test("the jump is put behind all rules, but before a final RETURN", () => {
  const placed = (engineRules: readonly string[]): string[] =>
    script(engineRules).filter((line) => /^-[AI] DOCKER-USER /.test(line));
  assert.deepEqual(placed([]), ["-A DOCKER-USER -j OURS"]);
  assert.deepEqual(placed([own]), ["-A DOCKER-USER -j OURS"]);
  assert.deepEqual(placed([back]), ["-I DOCKER-USER 1 -j OURS"]);
  assert.deepEqual(placed([own, back]), ["-I DOCKER-USER 2 -j OURS"]);
  assert.deepEqual(placed([back, own]), ["-A DOCKER-USER -j OURS"]);
  // Positions count what is left when the old jumps are gone.
  assert.deepEqual(placed([jump, own, jump, back]), ["-I DOCKER-USER 2 -j OURS"]);
  // A RETURN with a condition is a rule of the administrator like any other.
  assert.deepEqual(placed([own, "-A DOCKER-USER -i eth1 -j RETURN"]), ["-A DOCKER-USER -j OURS"]);
});

test("scripts take away as many jumps as there are", () => {
  const count = (lines: readonly string[], line: string): number => lines.filter((one) => one === line).length;
  assert.equal(count(script([]), "-D DOCKER-USER -j OURS"), 0);
  assert.equal(count(script([jump, own, jump]), "-D DOCKER-USER -j OURS"), 2);
  assert.equal(count(script([jump, own, jump]), "-A DOCKER-USER -j OURS"), 1);
  assert.equal(retractScript("OURS", engine, 0), "*filter\n-F OURS\n-X OURS\nCOMMIT\n");
  assert.equal(count(retractScript("OURS", engine, 2).split("\n"), "-D DOCKER-USER -j OURS"), 2);
});
