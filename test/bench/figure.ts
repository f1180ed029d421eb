import type { Summary } from "./stats.ts";

export type Unit = "ms" | "µs" | "MB" | "1/s" | "Gbit/s" | "packets";

/** What a ratio of medians should be. The letters and numbers are those of docs/benchmarks.md. */
export interface Target {
  readonly id: string;
  /** Of fairway's own median, in the figure's unit, instead of the ratio. */
  readonly of?: "median";
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One line of a table: fairway, what it is compared with, and the ratio of both. */
export interface Figure {
  readonly bench: string;
  readonly what: string;
  readonly unit: Unit;
  readonly fairway: Summary;
  /** The built-in driver, unless `peerIs` says otherwise. */
  readonly peer?: Summary;
  readonly peerIs?: string;
  /** Median of what either side would cost without any network; taken off both before the ratio. */
  readonly base?: Summary;
  readonly target?: Target;
  /** How the figure came about, when that is not plain from the names. */
  readonly note?: string;
}

/** fairway/peer; undefined without a peer, or when a difference of medians is lost in the noise. */
export function ratioOf({ fairway, peer, base }: Figure): number | undefined {
  const offset = base?.median ?? 0;
  if (peer === undefined || peer.median <= offset) {
    return undefined;
  }
  return (fairway.median - offset) / (peer.median - offset);
}

export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  const value = target?.of === "median" ? figure.fairway.median : ratioOf(figure);
  if (target === undefined || value === undefined) {
    return undefined;
  }
  return value <= (target.atMost ?? Number.POSITIVE_INFINITY) && value >= (target.atLeast ?? Number.NEGATIVE_INFINITY);
}
