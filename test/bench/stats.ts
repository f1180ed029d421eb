/** What is kept of a row of measurements. */
export interface Summary {
  readonly median: number;
  readonly p95: number;
  readonly count: number;
}

/** @throws without a sample: a figure nobody measured must not appear in a table. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) {
    throw new Error("nothing was measured");
  }
  const sorted = [...samples].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), count: sorted.length };
}

/** Between two samples the line from one to the other; `sorted` is not empty and ascending. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}
