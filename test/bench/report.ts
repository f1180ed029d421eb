import { type Figure, isMet, ratioOf, type Unit } from "./figure.ts";
import type { Summary } from "./stats.ts";

type Row = readonly string[];

/** Median, p95 and number of samples of both sides: the table of one bench. */
export function detailTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.what,
    figure.unit,
    ...cellsOf(figure.fairway, figure.unit),
    figure.peer === undefined ? "" : (figure.peerIs ?? "built-in"),
    ...cellsOf(figure.peer, figure.unit),
    figure.base === undefined ? "" : amount(figure.base.median, figure.unit),
    ratioText(figure),
  ]);
  return table(["what", "unit", "fairway p50", "p95", "n", "against", "p50", "p95", "n", "base", "ratio"], rows);
}

/** Everything that is compared with something, or has a goal of its own. */
export function summaryTable(figures: readonly Figure[]): string {
  const compared = figures.filter(({ peer, target }) => peer !== undefined || target?.of === "median");
  const rows = compared.map((figure) => [
    figure.bench,
    figure.what,
    withUnit(figure.fairway, figure.unit),
    peerText(figure),
    ratioText(figure),
    targetText(figure),
    metText(isMet(figure)),
  ]);
  return table(["bench", "what", "fairway", "built-in", "ratio", "target", "met"], rows);
}

export function notesOf(figures: readonly Figure[]): string[] {
  return [...new Set(figures.flatMap(({ what, note }) => (note === undefined ? [] : [`${what}: ${note}`])))];
}

/** For programs: everything that the tables hold, with the ratios as numbers. */
export function jsonOf(figures: readonly Figure[]): object[] {
  return figures.map((figure) => ({ ...figure, ratio: ratioOf(figure), met: isMet(figure) }));
}

/** A Markdown table that can be read as it is. */
export function table(head: Row, rows: readonly Row[]): string {
  const widths = head.map((title, index) =>
    Math.max(3, ...[title, ...rows.map((row) => row[index] ?? "")].map(length)),
  );
  const line = (cells: Row): string => `| ${cells.map((cell, index) => pad(cell, widths[index] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function length(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(width - length(text));
}

function cellsOf(summary: Summary | undefined, unit: Unit): string[] {
  return summary === undefined
    ? ["", "", ""]
    : [amount(summary.median, unit), amount(summary.p95, unit), String(summary.count)];
}

function amount(value: number, unit: Unit): string {
  const digits = unit !== "1/s" && Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}

function withUnit(summary: Summary, unit: Unit): string {
  return `${amount(summary.median, unit)} ${unit}`;
}

function peerText({ peer, peerIs, unit }: Figure): string {
  if (peer === undefined) {
    return "";
  }
  return peerIs === undefined ? withUnit(peer, unit) : `${withUnit(peer, unit)} (${peerIs})`;
}

function ratioText(figure: Figure): string {
  const ratio = ratioOf(figure);
  if (ratio === undefined) {
    return "";
  }
  return ratio.toFixed(ratio < 0.1 ? 3 : 2);
}

function targetText({ target, unit }: Figure): string {
  if (target === undefined) {
    return "";
  }
  const goal = target.atMost === undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  return `${target.id} ${goal}${target.of === "median" ? ` ${unit}` : ""}`;
}

function metText(met: boolean | undefined): string {
  if (met === undefined) {
    return "";
  }
  return met ? "yes" : "NO";
}
