/**
 * Runs the tests: node test/run.ts [--engines LIST|all] [--only TEXT] [tier…]
 * Tiers: unit, wire, netns (each file alone in its own network namespace), e2e (real engines). Default: all, engine 20.10.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const tiers = ["unit", "wire", "netns", "e2e"] as const;
type Tier = (typeof tiers)[number];
const allEngines = ["20.10", "26.1", "28.5"];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const { values, positionals } = parseArgs({
  options: { engines: { type: "string", default: "20.10" }, only: { type: "string" } },
  allowPositionals: true,
});

const countsDirectory = mkdtempSync(join(tmpdir(), "fairway-test-"));
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

for (const tier of tiers.filter((name) => positionals.length === 0 || positionals.includes(name))) {
  runTier(tier);
}
rmSync(countsDirectory, { recursive: true });
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function runTier(tier: Tier): void {
  const files = testFiles(tier);
  if (files.length === 0) {
    return;
  }
  if (tier === "e2e") {
    const engines = values.engines === "all" ? allEngines : values.engines.split(",");
    for (const engine of engines) {
      heading(`${tier} on engine ${engine}`);
      // One file at a time: engines are heavy and share this machine.
      runFiles(files, ["--test-concurrency=1"], [], { FAIRWAY_ENGINE: engine });
    }
    return;
  }
  heading(tier);
  if (tier === "netns") {
    for (const file of files) {
      runFiles([file], [], ["unshare", "--net", "--mount", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]);
    }
    return;
  }
  runFiles(files, ["--test-concurrency=2"], []);
}

function runFiles(files: string[], flags: string[], prefix: string[], env: Record<string, string> = {}): void {
  const countsFile = join(countsDirectory, "counts");
  rmSync(countsFile, { force: true });
  const argv = [...prefix, process.execPath, "--test", "--test-reporter=./test/reporter.ts", ...flags, ...files];
  const [command = "", ...args] = argv;
  const result = spawnSync(command, args, {
    stdio: "inherit",
    env: { ...process.env, ...env, FAIRWAY_TEST_COUNTS: countsFile },
  });
  const counts = existsSync(countsFile) ? readCounts(countsFile) : { passed: 0, failed: 0, skipped: 0 };
  if (result.status !== 0 && counts.failed === 0) {
    console.log(`  ${files.join(" ")}: the test process ended with ${result.status ?? result.signal}`);
    counts.failed = 1;
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

function readCounts(path: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of readFileSync(path, "utf8").trim().split("\n")) {
    const one = JSON.parse(line) as Counts & { cancelled: number };
    counts.passed += one.passed;
    counts.failed += one.failed + one.cancelled;
    counts.skipped += one.skipped;
  }
  return counts;
}

function testFiles(tier: Tier): string[] {
  const root = join("test", tier);
  if (!existsSync(root)) {
    return [];
  }
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !name.includes("fixtures"))
    .map((name) => join(root, name))
    .filter((name) => values.only === undefined || name.includes(values.only))
    .sort();
}

function heading(text: string): void {
  console.log(`\n${text}`);
}
