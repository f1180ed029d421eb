import type { Logger } from "../../src/log.ts";

export interface FakeLog {
  readonly logger: Logger;
  /** "warn removed leftover links", in order; debug lines are not kept. */
  readonly lines: string[];
}

/** Writes nothing and keeps what a person would want to read. */
export function createFakeLog(): FakeLog {
  const lines: string[] = [];
  const keep = (level: string) => (message: string, fields?: { error?: unknown }) => {
    lines.push(`${level} ${message}${fields?.error === undefined ? "" : `: ${String(fields.error)}`}`);
  };
  const methods = { error: keep("error"), warn: keep("warn"), info: keep("info"), debug: () => undefined };
  return { logger: methods as unknown as Logger, lines };
}
