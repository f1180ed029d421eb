import type { EndpointId } from "../model/ids.ts";
import { removeForgotten } from "./forgotten.ts";
import { followHostAddresses } from "./host-addresses.ts";
import { settleRoutes } from "./routes.ts";
import type { Workshop } from "./workshop.ts";

/** First soon after something happened, then rarely. */
const pausesMs = [500, 1500, 3000, 10_000];

/** The first and the third look after a start, 4.5 s apart, are full: removeForgotten() decides at the second it takes part in. */
const fullLookPauseMs = 4000;

/**
 * Looks again and again whether the packet filters still let our traffic pass and still protect it: an engine that
 * starts after us brings its own rules late, even later than its first containers, and anybody may flush a ruleset.
 */
export class Keeper implements Disposable {
  readonly #workshop: Workshop;
  /** Since when an endpoint looks forgotten, in ms of performance.now(). */
  readonly #suspects = new Map<EndpointId, number>();
  #step = 0;
  /** In ms of performance.now(). */
  #nextFullLookMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  /** Something has changed: look soon. */
  nudge(): void {
    // A look that is due within moments anyway must not be put off by one event after the other.
    if (this.#timer === undefined || this.#step > 1) {
      this.#step = 0;
      this.#schedule();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) {
      return;
    }
    this.#timer = setTimeout(() => void this.#look(), pausesMs[this.#step] ?? pausesMs.at(-1));
    this.#timer.unref();
    this.#step = Math.min(this.#step + 1, pausesMs.length - 1);
  }

  async #look(): Promise<void> {
    const { registry, firewall, kernel, log } = this.#workshop;
    try {
      if (registry.networks().length > 0) {
        await firewall.repair();
        await this.#workshop.lookAtUplink();
        await followHostAddresses(this.#workshop);
        if (!(await kernel.engineFirewall.isAdmitted())) {
          await kernel.engineFirewall.admit();
          log.info("passed the engine's packet filter");
        }
        await this.#lookAtEndpoints();
      }
    } catch (error) {
      log.error("could not look after the kernel", { error: String(error) });
    }
    this.#schedule();
  }

  /** Reads every interface and route, so it takes longer the more there are: not as often as calls come. */
  async #lookAtEndpoints(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs >= this.#nextFullLookMs) {
      this.#nextFullLookMs = nowMs + fullLookPauseMs;
      await settleRoutes(this.#workshop);
      await removeForgotten(this.#workshop, this.#suspects, nowMs);
    }
  }
}
