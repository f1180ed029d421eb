import type { OwnedBlock } from "../../model/block.ts";
import type { Prefix } from "../../model/ip.ts";
import type { BlockStorePort } from "../../store/port.ts";
import type { Offer } from "../subnet-leases.ts";
import { byAddress, keptParts } from "./choice.ts";

/** This host's blocks, written through to the disk first: only what is here is handed out. */
export class BlockLedger {
  readonly #store: Pick<BlockStorePort, "loadBlocks" | "putBlock" | "deleteBlock">;
  readonly #blocks = new Map<Prefix, OwnedBlock>();
  /** Blocks that nothing is handed out of yet, or for the time being. */
  readonly #held = new Set<Prefix>();

  constructor(store: Pick<BlockStorePort, "loadBlocks" | "putBlock" | "deleteBlock">) {
    this.#store = store;
    for (const block of store.loadBlocks()) {
      this.#blocks.set(block.block, block);
    }
  }

  all(): OwnedBlock[] {
    return [...this.#blocks.values()];
  }

  find(block: Prefix): OwnedBlock | undefined {
    return this.#blocks.get(block);
  }

  /** In use, in the order of their addresses. */
  owned(subnet: Prefix): OwnedBlock[] {
    return this.all()
      .filter((one) => one.subnet === subnet && one.state === "owned")
      .sort((a, b) => byAddress(a.block, b.block));
  }

  offer(subnet: Prefix): Offer {
    const blocks = this.owned(subnet).filter(({ block }) => !this.#held.has(block));
    return {
      ranges: blocks.flatMap(({ block, offered }) => (offered === undefined ? [block] : keptParts(block))),
      withheld: blocks.flatMap(({ lent }) => lent ?? []),
    };
  }

  /** A block whose listeners have not heard of it, or whose ownership is in doubt. */
  hold(block: Prefix): void {
    this.#held.add(block);
  }

  letGo(block: Prefix): void {
    this.#held.delete(block);
  }

  put(block: OwnedBlock): void {
    this.#store.putBlock(block);
    this.#blocks.set(block.block, block);
  }

  /** It is gone in memory even when the disk fails. */
  delete(block: Prefix): void {
    this.#blocks.delete(block);
    this.#held.delete(block);
    this.#store.deleteBlock(block);
  }
}
