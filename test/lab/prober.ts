import { readFileSync } from "node:fs";
import path from "node:path";
import { signal } from "./processes.ts";
import type { Space, SpaceProcess } from "./space.ts";
import { waitFor } from "./wait.ts";

const SCRIPT = path.join(import.meta.dirname, "image-files/probe.mjs");
const INTERVAL_MS = 10;
const ANSWERED_DEADLINE_MS = 30_000;

export interface ProbeOptions {
  /** "udp" needs the lab's server at the other end; "icmp" needs nothing. Default udp. */
  readonly over?: "udp" | "icmp";
  /** Default 80. */
  readonly port?: number;
  /** Default 10. ping(8) counts in ticks of the kernel, and makes up to 20 of it. */
  readonly intervalMs?: number;
}

export interface ProbeResult {
  readonly sent: number;
  /** ICMP: the last one is not counted when it alone has not come back yet. */
  readonly lost: number;
  /** Between neighbours that were answered, or the ends; without a loss it is about the interval. */
  readonly longestGapMs: number;
  /** The clock; undefined when nobody answered. UDP: when the question was sent. ICMP: when the answer came. */
  readonly firstAnswerMs: number | undefined;
  /** Who answered, in the order of first answers; UDP only. */
  readonly answeredBy: readonly string[];
}

interface Answer {
  readonly number: number;
  /** The clock, milliseconds since 1970. UDP: when it was sent; ICMP: when the answer came. */
  readonly atMs: number;
  readonly host?: string;
}

let probes = 0;

/** A steady stream of small questions, to see for how long and how often the way was interrupted. */
export class Probe {
  readonly #file: string;
  readonly #process: SpaceProcess;
  readonly #icmp: boolean;
  readonly #startMs = Date.now();

  constructor(file: string, process: SpaceProcess, icmp: boolean) {
    this.#file = file;
    this.#process = process;
    this.#icmp = icmp;
  }

  /** Waits for so many more answers from now on. */
  async hasAnswered(count: number): Promise<void> {
    const target = this.#answers().length + count;
    await waitFor(() => this.#answers().length >= target, ANSWERED_DEADLINE_MS, `${count} more answers`);
  }

  async stop(): Promise<ProbeResult> {
    const endMs = Date.now();
    signal(this.#process.id, this.#icmp ? "SIGINT" : "SIGTERM");
    await this.#process.ended;
    const sent = Number(/^(?:sent )?(\d+)(?: packets transmitted|$)/m.exec(this.#text())?.[1]);
    const answers = this.#answers();
    const lost = sent - new Set(answers.map(({ number }) => number)).size;
    const isUnderway = this.#icmp && answers.at(-1)?.number === sent - 1;
    return {
      sent,
      lost: isUnderway ? lost - 1 : lost,
      longestGapMs: longestGap([this.#startMs, ...answers.map(({ atMs }) => atMs), endMs]),
      firstAnswerMs: answers[0]?.atMs,
      answeredBy: [...new Set(answers.flatMap(({ host }) => host ?? []))],
    };
  }

  #text(): string {
    return readFileSync(this.#file, "utf8");
  }

  #answers(): Answer[] {
    const pattern = this.#icmp
      ? /^\[(?<at>[\d.]+)\] .*icmp_seq=(?<number>\d+) .*time=/gm
      : /^answer (?<number>\d+) (?<at>[\d.]+) (?<host>\S+)$/gm;
    return [...this.#text().matchAll(pattern)].map(({ groups = {} }) => ({
      number: Number(groups["number"]),
      atMs: Number(groups["at"]) * (this.#icmp ? 1000 : 1),
      ...(groups["host"] === undefined ? {} : { host: groups["host"] }),
    }));
  }
}

/** Returns when the first question is on its way, answered or not. */
export async function startProbe(space: Space, address: string, options: ProbeOptions = {}): Promise<Probe> {
  const { over = "udp", port = 80, intervalMs = INTERVAL_MS } = options;
  probes += 1;
  const log = `probe-${probes}.log`;
  const argv =
    over === "icmp"
      ? ["ping", "-n", "-D", "-i", String(intervalMs / 1000), address]
      : [process.execPath, SCRIPT, address, String(port), String(intervalMs)];
  const program = await space.spawn(argv, log);
  return new Probe(path.join(space.directory, log), program, over === "icmp");
}

function longestGap(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return Math.max(0, ...sorted.slice(1).map((atMs, index) => atMs - (sorted[index] ?? atMs)));
}
