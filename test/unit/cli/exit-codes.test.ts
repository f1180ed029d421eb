/** What a script learns from the program's end. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const runDir = mkdtempSync(join(tmpdir(), "fairway-exit-"));
after(() => rmSync(runDir, { recursive: true }));

for (const [args, code, says] of [
  [["ipam", "release"], 2, /FW1003/],
  [["ipam", "release", "--address", "10.0.0.1", "--host", "one"], 2, /FW1003/],
  [["ipam", "release", "--address", "10.0.0.1", "--force"], 2, /--force with --host only[\s\S]*FW1003/],
  [["ipam", "release", "--adress", "10.0.0.1"], 2, /unknown option/],
  [["ipam", "show", "--log-level", "loud"], 2, /FW2005/],
  [["ipam", "release", "--host", "one"], 3, /FW2007/],
] as const) {
  test(`fairway ${args.join(" ")}: ${code}`, () => {
    const main = join(import.meta.dirname, "../../../src/main.ts");
    const { status, stderr } = spawnSync(process.execPath, [main, ...args, "--run-dir", runDir], { encoding: "utf8" });
    assert.match(stderr, says);
    assert.equal(status, code);
  });
}
