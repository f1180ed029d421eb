import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { EnginePort, Readiness } from "./port.ts";

const firstPauseMs = 500;
const lastPauseMs = 10_000;

/** Follows the engine's health checks from when they are first wanted, over its restarts. */
export class ReadinessWatch {
  readonly #engine: EnginePort;
  readonly #listener: (readiness: Readiness) => void;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  #isBegun = false;

  constructor(parts: { engine: EnginePort; listener: (readiness: Readiness) => void; log: Logger }) {
    this.#engine = parts.engine;
    this.#listener = parts.listener;
    this.#log = parts.log;
  }

  begin(): void {
    if (!this.#isBegun) {
      this.#isBegun = true;
      void this.#follow();
    }
  }

  close(): void {
    this.#abort.abort();
  }

  /** What was true stays in force while the engine cannot be asked: its containers run on. */
  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      try {
        await this.#engine.followReadiness((readiness) => {
          pauseMs = firstPauseMs;
          this.#listener(readiness);
        }, signal);
      } catch (error) {
        this.#log.warn("cannot follow the engine's health checks; will try again", { error: String(error) });
      }
      await sleep(pauseMs, undefined, { ref: false });
      pauseMs = Math.min(2 * pauseMs, lastPauseMs);
    }
  }
}
