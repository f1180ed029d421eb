import { setTimeout as delay } from "node:timers/promises";
import { type Summary, summarize } from "./stats.ts";

/** Both drivers delete in the background what an answer does not wait for; the next sample must not pay for it. */
const settleMs = 150;

/** One turn: what it measured, by name. */
export type Turn<Measure extends string> = (round: number) => Promise<Readonly<Record<Measure, number>>>;

/**
 * Lets the contestants take turns, ABABAB, so that a change of the machine's load meets all of them. A first round is
 * not counted.
 */
export async function interleave<Contestant extends string, Measure extends string>(
  rounds: number,
  contestants: Readonly<Record<Contestant, Turn<Measure>>>,
): Promise<Readonly<Record<Contestant, Readonly<Record<Measure, Summary>>>>> {
  const turns = Object.entries<Turn<Measure>>(contestants) as [Contestant, Turn<Measure>][];
  const results = new Map<Contestant, Readonly<Record<Measure, number>>[]>(turns.map(([name]) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, turn] of turns) {
      const result = await turn(round);
      await delay(settleMs);
      if (round > 0) {
        results.get(name)?.push(result);
      }
    }
  }
  return fromEntries([...results].map(([name, list]) => [name, summarizeAll(list)]));
}

function summarizeAll<Measure extends string>(
  results: readonly Readonly<Record<Measure, number>>[],
): Readonly<Record<Measure, Summary>> {
  const measures = Object.keys(results[0] ?? {}) as Measure[];
  return fromEntries(measures.map((measure) => [measure, summarize(results.map((result) => result[measure]))]));
}

function fromEntries<Key extends string, Value>(entries: readonly (readonly [Key, Value])[]): Record<Key, Value> {
  return Object.fromEntries(entries) as Record<Key, Value>;
}

/** Wall time of an action in milliseconds. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}
