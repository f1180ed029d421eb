import { setTimeout as sleep } from "node:timers/promises";
import { deleteLinkGroup, setLinkGroup } from "./codec.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** The kernel holds its one lock for all links during a group delete: about 0.6 ms per link. */
const batchSize = 64;
const firstBackOffMs = 100;
const lastBackOffMs = 5000;

/**
 * Deletes links in the background. One deletion waits 15 ms for an RCU grace period and a group of 50 waits hardly
 * longer, so that what is queued meanwhile goes together.
 */
export class LinkReaper {
  readonly #rtnetlink: Rtnetlink;
  readonly #groups: readonly number[];
  readonly #reapGroup: number;
  readonly #onError: (error: unknown) => void;
  /** Every name that is not known to be gone yet. */
  readonly #queued = new Set<string>();
  #lastTurn: Promise<unknown> = Promise.resolve();
  #work: Promise<void> | undefined;

  /** @param parts.groups Link groups of ours; a link outside them is somebody else's, whatever its name. */
  constructor(parts: {
    rtnetlink: Rtnetlink;
    groups: readonly number[];
    reapGroup: number;
    onError: (error: unknown) => void;
  }) {
    this.#rtnetlink = parts.rtnetlink;
    this.#groups = [...parts.groups, parts.reapGroup];
    this.#reapGroup = parts.reapGroup;
    this.#onError = parts.onError;
  }

  deleteLater(names: readonly string[]): void {
    for (const name of names) {
      this.#queued.add(name);
    }
    this.#work ??= this.#emptyQueue();
  }

  /** Resolves when nothing is queued or in flight, however many attempts that takes. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /**
   * Resolves when this link, if it was queued at all, is gone. To be awaited before the name is used again.
   * @throws KernelError when the kernel refuses the deletion; the link stays queued.
   */
  async gone(name: string): Promise<void> {
    if (this.#queued.has(name)) {
      await this.#inTurn(() => (this.#queued.has(name) ? this.#delete([name]) : Promise.resolve()));
    }
  }

  async #emptyQueue(): Promise<void> {
    let backOffMs = firstBackOffMs;
    // A turn later, so that all of one synchronous run of calls go together.
    await Promise.resolve();
    while (this.#queued.size > 0) {
      try {
        await this.#inTurn(() => this.#delete([...this.#queued].slice(0, batchSize)));
        backOffMs = firstBackOffMs;
      } catch (error) {
        this.#onError(error);
        await sleep(backOffMs);
        backOffMs = Math.min(backOffMs * 2, lastBackOffMs);
      }
    }
    this.#work = undefined;
  }

  /** @throws KernelError the first refusal, after trying all. */
  async #delete(queued: readonly string[]): Promise<void> {
    const names = await this.#ours(queued);
    if (names.length === 0) {
      return;
    }
    const refusals = await this.#rtnetlink.attempt([
      ...names.map((name) => ({ what: `mark ${name} for deletion`, message: setLinkGroup(name, this.#reapGroup) })),
      { what: `delete ${names.length} links`, message: deleteLinkGroup(this.#reapGroup) },
    ]);
    const failures = refusals.map((error) => (error?.errno === "ENODEV" ? undefined : error));
    const groupFailure = failures.at(-1);
    for (const [index, name] of names.entries()) {
      this.#queued.delete(name);
      const isAbsent = refusals[index]?.errno === "ENODEV";
      if (!isAbsent && (failures[index] ?? groupFailure) !== undefined) {
        // At the end, so that a link that cannot be deleted does not hold up the others.
        this.#queued.add(name);
      }
    }
    const failure = failures.find((error) => error !== undefined);
    if (failure !== undefined) {
      throw failure;
    }
  }

  /** Of these names, the ones that stand for links of ours; the others leave the queue. */
  async #ours(names: readonly string[]): Promise<string[]> {
    const links = await Promise.all(names.map((name) => this.#rtnetlink.findLink(name)));
    return names.filter((name, index) => {
      const link = links[index];
      const isOurs = link !== undefined && this.#groups.includes(link.group);
      if (!isOurs) {
        this.#queued.delete(name);
      }
      return isOurs;
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    await turn;
  }
}
