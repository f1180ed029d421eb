/** One line per file and each failure in full; the counts go to the file named by FAIRWAY_TEST_COUNTS. */
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

interface Summary {
  readonly file?: string;
  readonly duration_ms: number;
  readonly counts: {
    readonly passed: number;
    readonly failed: number;
    readonly cancelled: number;
    readonly skipped: number;
  };
}

// biome-ignore lint/style/noDefaultExport: node loads a reporter by its default export
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type === "test:fail" && !isOnlyAboutItsTests(event.data.details)) {
      yield failureText(event.data);
    } else if (event.type === "test:stderr" || event.type === "test:stdout") {
      yield event.data.message;
    } else if ((event.type as string) === "test:summary") {
      yield summaryText(event.data as unknown as Summary);
    }
  }
}

/** A suite fails with its tests, which have been reported then, or by a hook of its own, of which no count tells. */
function isOnlyAboutItsTests({ type, error }: { type?: string | undefined; error: Error }): boolean {
  return type === "suite" && (error as { failureType?: string }).failureType === "subtestsFailed";
}

function failureText(data: { name: string; file?: string; line?: number; details: { error: Error } }): string {
  const cause = data.details.error.cause ?? data.details.error;
  return `\nFAILED ${data.name} (${place(data.file)}:${data.line ?? 0})\n${inspect(cause, { depth: 6 })}\n\n`;
}

function summaryText({ file, counts, duration_ms }: Summary): string {
  if (file === undefined) {
    record(counts);
    return "";
  }
  const bad = counts.failed + counts.cancelled;
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  const result = bad > 0 ? `${bad} FAILED, ${counts.passed} passed` : `${counts.passed} passed`;
  return `  ${place(file)}: ${result}${skipped} (${(duration_ms / 1000).toFixed(1)} s)\n`;
}

function record(counts: Summary["counts"]): void {
  const path = process.env["FAIRWAY_TEST_COUNTS"];
  if (path !== undefined) {
    appendFileSync(path, `${JSON.stringify(counts)}\n`);
  }
}

function place(file: string | undefined): string {
  return file === undefined ? "?" : relative(process.cwd(), file);
}
