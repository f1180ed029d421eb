import { setTimeout as delay } from "node:timers/promises";

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

/**
 * Polls until the condition holds: false, undefined and exceptions mean "not yet".
 * Returns what the condition returned; after the deadline throws an error that names `what` and the last exception.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  deadlineMs: number,
  what: string,
): Promise<Exclude<T, false | undefined | null>> {
  const end = performance.now() + deadlineMs;
  let lastError: unknown;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined && value !== null) {
        return value as Exclude<T, false | undefined | null>;
      }
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= end) {
      const last = lastError instanceof Error ? `: ${lastError.message}` : "";
      throw new Error(`waited ${deadlineMs} ms in vain for ${what}${last}`, { cause: lastError });
    }
    await delay(pauseMs);
  }
}
