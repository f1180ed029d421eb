import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { EnginePort, Readiness } from "./port.ts";

const firstPauseMs = 500;
const lastPauseMs = 10_000;

/** Follows the engine's health checks from when they are first wanted, over its restarts. */
export class ReadinessWatch {
  readonly isOff: boolean;
  readonly #engine: EnginePort;
  readonly #listener: (readiness: Readiness) => void;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  #isBegun = false;

  /** @param parts.isOff The engine is never asked; what was announced stays so. */
  constructor(parts: {
    engine: EnginePort;
    listener: (readiness: Readiness) => void;
    log: Logger;
    isOff?: boolean;
  }) {
    this.isOff = parts.isOff ?? false;
    this.#engine = parts.engine;
    this.#listener = parts.listener;
    this.#log = parts.log;
  }

  begin(): void {
    if (this.#isBegun) {
      return;
    }
    this.#isBegun = true;
    if (this.isOff) {
      this.#log.warn("health checks are not followed: dockerHost is none; announce=healthy stays as it is");
    } else {
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
