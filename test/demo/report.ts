import path from "node:path";
import { renderTable } from "../lab/table.ts";
import type { Result } from "./play.ts";
import type { Progress } from "./progress.ts";

const COLUMNS = [
  { title: "#", rigid: true },
  { title: "what was tried" },
  { title: "expected" },
  { title: "got" },
  { title: "ok", rigid: true },
];
const FAILED = "NO";

export function tableOf(results: readonly Result[], progress: Progress): string {
  const rows = results.map(({ row, ok, got }, index) => [
    `${index + 1}`,
    row.title,
    row.expected,
    got,
    ok ? "yes" : FAILED,
  ]);
  return renderTable(COLUMNS, rows, {
    width: progress.screen.width,
    paint: (line, row) => (row.at(-1) === FAILED ? progress.bad(line) : line),
  });
}

/** What a person types next, on the machine where they want it. */
export function nextSteps(): string {
  const fairway = path.join(import.meta.dirname, "../../bin/fairway");
  return [
    "On your own machine, next to its Docker engine:",
    `  sudo ${fairway} daemon &          # or as a service: plugin/systemd`,
    "  docker network create -d fairway web",
    "  docker run -d --network web -p 8080:80 nginx",
  ].join("\n");
}
