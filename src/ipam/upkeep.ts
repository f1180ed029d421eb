import { explain } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { AddressBook } from "./address-book.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";

export interface UpkeepParts {
  readonly blocks: ClusterBlocks;
  readonly book: AddressBook;
  readonly log: Logger;
  readonly ownershipMs: number;
}

/** A host whose blocks were released by force must not hand out or announce them for long after it is back. */
const longestPauseMs = 20_000;

/** Keeps contact with the store from time to time, at once for the first time. Ends when disposed of. */
export function startUpkeep(parts: UpkeepParts): Disposable {
  const periodMs = Math.min(longestPauseMs, parts.ownershipMs / 10);
  void maintain(parts);
  const timer = setInterval(() => void maintain(parts), periodMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Never rejects: what failed is tried again the next time. */
export async function maintain({ blocks, book, log }: Omit<UpkeepParts, "ownershipMs">): Promise<void> {
  try {
    await blocks.compare();
    await book.returnLoans();
    await blocks.giveBackIdle();
  } catch (error) {
    log.warn("no contact with the cluster store", { text: explain(error) });
  }
}
