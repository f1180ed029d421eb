import { wrap } from "./wrap.ts";

const GAP = " | ";
const NARROWEST = 8;

export interface Column {
  readonly title: string;
  /** Never narrower than its longest cell. */
  readonly rigid?: boolean;
}

export interface TableStyle {
  /** No line is longer, unless rigid columns alone need more. */
  readonly width: number;
  /** A rule after every row, or only around the head and at the end. Default "rows". */
  readonly rules?: "rows" | "few";
  /** Applied to whole lines of a row, after everything has been measured. */
  readonly paint?: (line: string, row: readonly string[]) => string;
}

/** A table for a terminal: plain ASCII, one blank line's worth of rule between head and rows, long cells wrapped. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, rules = "rows", paint = (line) => line }: TableStyle,
): string {
  const head = columns.map((column) => column.title);
  const widths = fit(columns, [head, ...rows], width);
  const rule = widths.map((size) => "-".repeat(size)).join("-+-");
  const body = rows.flatMap((row) => [
    ...layOut(row, widths).map((line) => paint(line, row)),
    ...(rules === "rows" ? [rule] : []),
  ]);
  return [rule, ...layOut(head, widths), rule, ...body, ...(rules === "few" ? [rule] : [])].join("\n");
}

/** Natural widths, then the widest column that may shrink gives way until everything fits. */
function fit(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): number[] {
  const widths = columns.map((_, index) => Math.max(1, ...rows.map((row) => row[index]?.length ?? 0)));
  const shrinkable = columns.flatMap((column, index) => (column.rigid === true ? [] : [index]));
  const total = () => widths.reduce((sum, size) => sum + size, GAP.length * (columns.length - 1));
  while (total() > width) {
    const widest = shrinkable.reduce<number | undefined>(
      (best, index) => (best === undefined || (widths[index] ?? 0) > (widths[best] ?? 0) ? index : best),
      undefined,
    );
    if (widest === undefined || (widths[widest] ?? 0) <= NARROWEST) {
      break;
    }
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function layOut(row: readonly string[], widths: readonly number[]): string[] {
  const cells = widths.map((size, index) => wrap(row[index] ?? "", size));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    widths
      .map((size, index) => (cells[index]?.[at] ?? "").padEnd(size))
      .join(GAP)
      .trimEnd(),
  );
}
