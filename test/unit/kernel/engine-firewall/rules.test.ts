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

const parts: ChainParts = { chain: "OURS", linkGroup: 0xfa17, uplink: "eth0" };
const engine = "DOCKER-USER";

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

test("only the exact rules with one jump in front count as admitted", () => {
  const jump = "-A DOCKER-USER -j OURS";
  const back = "-A DOCKER-USER -j RETURN";
  const admitted = (text: string): boolean => isAdmitted(readFilter(text, "OURS", engine), parts);
  assert.ok(admitted(listing([jump, back])));
  assert.ok(!admitted(listing([back, jump])));
  assert.ok(!admitted(listing([jump, jump, back])));
  assert.ok(!admitted(listing([back])));
  assert.ok(!admitted(listing([jump], chainRules(parts).slice(1))));
  assert.ok(!admitted(listing([jump], chainRules(parts).toReversed())));
  assert.ok(!admitted(listing([jump], [...chainRules(parts), "-A OURS -j DROP"])));
  assert.ok(!admitted(listing(["-A DOCKER-USER -j OURS2"])));
});

test("an uplink is let through by name only if the rules behind would keep it", () => {
  assert.equal(chainRules(parts).length, 5);
  for (const uplink of ["docker0", "br-lan", "virbr1"]) {
    assert.ok(
      chainRules({ ...parts, uplink }).includes(`-A OURS -o ${uplink} -m devgroup --src-group 0xfa17 -j ACCEPT`),
    );
  }
  assert.equal(chainRules({ ...parts, uplink: undefined }).length, 5);
});

test("scripts take away as many jumps as there are", () => {
  const count = (script: string, line: string): number => script.split("\n").filter((one) => one === line).length;
  assert.equal(count(admitScript(parts, engine, 2), "-D DOCKER-USER -j OURS"), 2);
  assert.equal(count(admitScript(parts, engine, 2), "-I DOCKER-USER -j OURS"), 1);
  assert.equal(retractScript("OURS", engine, 0), "*filter\n-F OURS\n-X OURS\nCOMMIT\n");
});
