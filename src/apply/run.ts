import type { Logger } from "../log.ts";
import { inverseOf, type Step } from "../plan/steps.ts";
import { type Executors, execute } from "./executors.ts";

/** Carries out plans. */
export class Applier {
  readonly #executors: Executors;
  readonly #log: Logger;

  constructor(executors: Executors, log: Logger) {
    this.#executors = executors;
    this.#log = log;
  }

  /**
   * Runs the steps in order. When one fails, the ones before it are taken back in reverse and the failure is thrown; a
   * failed step takes back its own half-done work, as its port promises.
   *
   * @param options.forget takes the intent out of the records. It runs before anything is taken back, as the packet
   *   filter may have to be rebuilt on the way, and that goes by the records.
   */
  async applyOrUndo(
    steps: readonly Step[],
    { signal, forget }: { readonly signal?: AbortSignal; readonly forget: () => void },
  ): Promise<void> {
    const undo: Step[] = [];
    try {
      for (const step of steps) {
        signal?.throwIfAborted();
        await this.#execute(step);
        const back = inverseOf(step);
        if (back !== undefined) {
          undo.push(back);
        }
      }
    } catch (error) {
      this.#forget(forget);
      await this.applyAll(undo.reverse());
      throw error;
    }
  }

  /** Runs every step whatever happens to the others. A failure is logged and left to the next reconciliation. */
  async applyAll(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      try {
        await this.#execute(step);
      } catch (error) {
        this.#log.error("step failed", { step: step.do, error: String(error) });
      }
    }
  }

  /** The first failure is what the user must read, not that of the clean-up after it. */
  #forget(forget: () => void): void {
    try {
      forget();
    } catch (error) {
      this.#log.error("could not take back a record", { error: String(error) });
    }
  }

  async #execute(step: Step): Promise<void> {
    this.#log.debug("kernel change", { step });
    await execute(this.#executors, step);
  }
}
