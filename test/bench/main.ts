/**
 * Compares the driver with the engine's own bridge driver: same engine, same minutes, in turns.
 *
 *   npm run bench                                        everything, a quarter of an hour or more
 *   npm run bench -- connect start --rounds 10           two benches, fewer samples
 *   npm run bench -- --engine 28.5 --json bench.json     another engine; the figures also as JSON
 *
 * Ratios are what counts; nothing here fails because a machine is slow.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { inspect, parseArgs } from "node:util";
import { type EngineVersion, engineVersions, isEngineVersion } from "../lab/engines.ts";
import { type Bench, type BenchName, benches, isBenchName } from "./benches.ts";
import type { Figure } from "./figure.ts";
import { detailTable, jsonOf, notesOf, summaryTable } from "./report.ts";
import { withStage } from "./stage.ts";

interface Choice {
  readonly engine: EngineVersion;
  readonly rounds: number;
  readonly peerPorts: number;
  readonly names: readonly BenchName[];
  readonly json: string | undefined;
}

const usage = `usage: npm run bench -- [--engine ${engineVersions.join("|")}] [--rounds N] [--peer-ports N] [--json FILE] [name…]
names: ${Object.keys(benches).join(", ")}`;

async function main(): Promise<number> {
  const choice = parseChoice();
  if (choice === undefined) {
    process.stderr.write(`${usage}\n`);
    return 2;
  }
  print(
    `machine: ${cpus().length} CPU (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GB, kernel ${release()}`,
  );
  print(`engine ${choice.engine}, ${choice.rounds} rounds, load at the start ${loadText()}`);
  const failures: string[] = [];
  const figures: Figure[] = [];
  for (const name of choice.names) {
    figures.push(...(await run(name, choice, failures)));
  }
  print(`\n## Summary, engine ${choice.engine}\n\n${summaryTable(figures)}\n`);
  print(`load at the end ${loadText()}`);
  if (choice.json !== undefined) {
    const machine = { cpus: cpus().length, model: cpus()[0]?.model, kernel: release(), load: loadavg() };
    writeFileSync(choice.json, `${JSON.stringify({ ...choice, machine, figures: jsonOf(figures) }, undefined, 2)}\n`);
  }
  for (const failure of failures) {
    process.stderr.write(`${failure}\n`);
  }
  return failures.length === 0 ? 0 : 1;
}

/** A bench has a machine of its own: one that breaks, or leaves things behind, must not spoil the figures of the next. */
async function run(name: BenchName, choice: Choice, failures: string[]): Promise<Figure[]> {
  const bench: Bench = benches[name];
  const { what } = bench;
  const options = { ...choice, say };
  say(`${name}: ${what}`);
  try {
    const figures = await ("perform" in bench ? bench.perform(options) : withStage(options, bench.measure));
    const notes = notesOf(figures).map((note) => `\n* ${note}`);
    print(`\n## ${name}: ${what}\n\nload ${loadText()}\n\n${detailTable(figures)}\n${notes.join("")}`);
    return figures;
  } catch (error) {
    failures.push(`${name} broke: ${inspect(error)}`);
    return [];
  }
}

function parseChoice(): Choice | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: {
        engine: { type: "string", default: engineVersions[0] },
        rounds: { type: "string", default: "30" },
        "peer-ports": { type: "string", default: "200" },
        json: { type: "string" },
      },
      allowPositionals: true,
    });
    const { engine, json } = values;
    const [rounds, peerPorts] = [Number(values.rounds), Number(values["peer-ports"])];
    const known = Object.keys(benches) as BenchName[];
    const names = known.filter((name) => positionals.length === 0 || positionals.includes(name));
    const isSane = Number.isInteger(rounds) && rounds > 0 && Number.isInteger(peerPorts) && peerPorts > 0;
    return isEngineVersion(engine) && isSane && positionals.every(isBenchName)
      ? { engine, rounds, peerPorts, names, json }
      : undefined;
  } catch {
    return undefined;
  }
}

function loadText(): string {
  return loadavg()
    .map((load) => load.toFixed(1))
    .join(" ");
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

process.exit(await main());
