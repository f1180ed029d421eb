/**
 * Runs the tests: node test/run.ts [--engines LIST|all] [--only TEXT] [tier…]
 * Tiers: unit, wire, netns (each file alone in namespaces of its own), storms (the same, one after the other, because they
 * keep the machine busy), fabric (the lab's data centre itself), e2e (real engines). Default: all, engine 20.10.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const tiers = ["unit", "wire", "netns", "storms", "fabric", "e2e"] as const;
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

/** Files of the tier netns wait for timers and neighbours more than they work. */
const filesAtOnce = 3;

/** Names of namespaces, locks and sockets are files below /run. */
const ownNamespaces = [
  ...["unshare", "--net", "--mount", "--", "sh", "-ec"],
  'mount -t tmpfs tmpfs /run; mkdir /run/lock; ip link set lo up; exec "$@"',
  "sh",
];

const countsDirectory = mkdtempSync(join(tmpdir(), "fairway-test-"));
let runs = 0;
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

for (const tier of tiers.filter((name) => positionals.length === 0 || positionals.includes(name))) {
  await runTier(tier);
}
rmSync(countsDirectory, { recursive: true });
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

async function runTier(tier: Tier): Promise<void> {
  const files = testFiles(tier);
  if (files.length === 0) {
    return;
  }
  if (tier === "e2e") {
    const engines = values.engines === "all" ? allEngines : values.engines.split(",");
    for (const engine of engines) {
      heading(`${tier} on engine ${engine}`);
      // One file at a time: engines are heavy and share this machine.
      await runFiles(files, { flags: ["--test-concurrency=1"], env: { FAIRWAY_ENGINE: engine } });
    }
    return;
  }
  heading(tier);
  if (tier === "netns" || tier === "storms") {
    await runAlone(files, tier === "netns" ? filesAtOnce : 1);
    return;
  }
  await runFiles(files, { flags: [`--test-concurrency=${tier === "fabric" ? 1 : 2}`] });
}

async function runAlone(files: readonly string[], atOnce: number): Promise<void> {
  const left = [...files];
  const work = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      await runFiles([file], { prefix: ownNamespaces, isBuffered: true });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

interface RunOptions {
  readonly flags?: readonly string[];
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Output comes as a whole at the end, because others run at the same time. */
  readonly isBuffered?: boolean;
}

async function runFiles(files: readonly string[], options: RunOptions): Promise<void> {
  const { flags = [], prefix = [], env = {}, isBuffered = false } = options;
  runs += 1;
  const countsFile = join(countsDirectory, `counts-${runs}`);
  const argv = [...prefix, process.execPath, "--test", "--test-reporter=./test/reporter.ts", ...flags, ...files];
  const [command = "", ...args] = argv;
  const child = spawn(command, args, {
    stdio: isBuffered ? ["ignore", "pipe", "pipe"] : "inherit",
    env: { ...process.env, ...env, FAIRWAY_TEST_COUNTS: countsFile },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  process.stdout.write(Buffer.concat(chunks));
  const counts = existsSync(countsFile) ? readCounts(countsFile) : { passed: 0, failed: 0, skipped: 0 };
  if (status !== 0 && counts.failed === 0) {
    console.log(`  ${files.join(" ")}: the test process ended with ${status ?? signal}`);
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
