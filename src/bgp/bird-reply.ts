/**
 * Answers of BIRD's control socket: lines of "CODE-text" or "CODE text"; a line that begins with a blank continues the
 * code before it, and "CODE text" ends the answer (BIRD's doc/reply_codes).
 */
import { notUnderstood } from "./refusals.ts";

export interface BirdReply {
  /** Of the last line. 8xxx: runtime error, 9xxx: the command was not understood. */
  readonly code: number;
  /** Text of all lines, without codes. */
  readonly lines: readonly string[];
}

/** The longest last line that is recognised, in bytes. */
export const birdTailBytes = 4096;

export function isWholeBirdReply(tail: Buffer): boolean {
  return /(^|\n)\d{4} [^\n]*\n$/.test(tail.toString("latin1"));
}

export function parseBirdReply(text: string): BirdReply {
  const lines = text.replace(/\n$/, "").split("\n");
  const code = Number(lines.at(-1)?.slice(0, 4));
  const plain = lines.map((line) => /^(?:\d{4}[- ]| |\+)(.*)$/.exec(line)?.[1]);
  if (!Number.isInteger(code) || plain.some((line) => line === undefined)) {
    throw notUnderstood("BIRD", text);
  }
  return { code, lines: plain.map((line) => line ?? "") };
}

export function isRefusal({ code }: BirdReply): boolean {
  return code >= 8000;
}
