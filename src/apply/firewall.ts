import { isKernelError, type NftPort } from "../kernel/ports.ts";
import type { ElementChange, NftElement, Ruleset } from "../plan/ruleset.ts";
import { KeyedQueue } from "./keyed-queue.ts";

/**
 * Our packet filter as a whole. Changes are small transactions; when the kernel's tables turn out not to be what we
 * left there (flushed, edited), the whole desired state is put back in one transaction instead.
 *
 * One change at a time: what `desired` says when an installation begins must not be overtaken by a change that the
 * installation would then wipe out.
 */
export class Firewall {
  readonly #nft: NftPort;
  readonly #ruleset: Ruleset;
  readonly #desired: () => NftElement[];
  readonly #onDrift: (errno: string) => void;
  readonly #queue = new KeyedQueue();
  #installed = false;
  #isCertain = true;

  /** @param desired every element that should exist now, the ones of changes under way included */
  constructor(parts: {
    nft: NftPort;
    ruleset: Ruleset;
    desired: () => NftElement[];
    onDrift: (errno: string) => void;
  }) {
    this.#nft = parts.nft;
    this.#ruleset = parts.ruleset;
    this.#desired = parts.desired;
    this.#onDrift = parts.onDrift;
  }

  /** The records must agree with the change already: they are what an installation goes by. */
  async change(change: ElementChange): Promise<void> {
    if (change.add.length + change.remove.length > 0) {
      await this.#inTurn(() => this.#change(change));
    }
  }

  async install(): Promise<void> {
    await this.#inTurn(() => this.#install());
  }

  /** Puts the tables back when somebody has removed or emptied them. */
  async repair(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#installed && !(this.#isCertain && (await this.#nft.isIntact(this.#ruleset)))) {
        this.#onDrift("ENOENT");
        await this.#install();
      }
    });
  }

  async remove(): Promise<void> {
    await this.#inTurn(async () => {
      this.#installed = false;
      await this.#nft.remove(this.#ruleset);
    });
  }

  async #change(change: ElementChange): Promise<void> {
    if (!this.#installed && change.add.length === 0) {
      // The last network may have gone meanwhile, and its tables with it.
      return;
    }
    if (!this.#installed || !this.#isCertain) {
      await this.#install();
      return;
    }
    try {
      await this.#nft.change(change);
    } catch (error) {
      if (!isKernelError(error, "ENOENT", "EEXIST", "EBUSY")) {
        // Whether it was carried out is not known, so the next look or change makes everything sure.
        this.#isCertain = false;
        throw error;
      }
      this.#onDrift(error.errno);
      await this.#install();
    }
  }

  async #install(): Promise<void> {
    await this.#nft.install(this.#ruleset, this.#desired());
    this.#installed = true;
    this.#isCertain = true;
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    return this.#queue.run("", task);
  }
}
