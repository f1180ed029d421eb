import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { addressesLent, type BlockDocument, readBlock } from "../../cluster/documents.ts";
import { blockKey, blockOfKey, blocksPrefix } from "../../cluster/keys.ts";
import type { ClusterEntry } from "../../cluster/port.ts";
import { FairwayError } from "../../errors.ts";
import type { OwnedBlock } from "../../model/block.ts";
import type { Prefix } from "../../model/ip.ts";
import { blockOrder, offeredPart } from "./choice.ts";
import type { BlockParts, SharedSubnet } from "./parts.ts";
import { noBlockLeft, strangePool, unsettled } from "./refusals.ts";

const rounds = 5;
/** A look after a write that took all the time that the store has, within what an engine's call has (10 s). */
const lookMs = 2000;

/** Makes free blocks this host's, and gives them back. The disk knows of a block only while the store says that it is ours. */
export class BlockClaims {
  readonly #parts: BlockParts;
  readonly #underWay = new Map<Prefix, Promise<void>>();
  /** Blocks that are being claimed at this moment. */
  readonly #pending = new Set<Prefix>();

  constructor(parts: BlockParts) {
    this.#parts = parts;
  }

  isClaiming(subnet: Prefix): boolean {
    return this.#underWay.has(subnet);
  }

  isPending(block: Prefix): boolean {
    return this.#pending.has(block);
  }

  /** Any free block; those who want one at the same time get one together. @throws FairwayError FW3011, FW4001, FW4002 */
  claimAny(pool: SharedSubnet): Promise<void> {
    const before = this.#underWay.get(pool.subnet);
    if (before !== undefined) {
      return before;
    }
    const work = this.#claimFirstFree(pool).finally(() => this.#underWay.delete(pool.subnet));
    this.#underWay.set(pool.subnet, work);
    return work;
  }

  /** Undefined: the block is this host's now. Otherwise what its owner says. */
  async claim(pool: SharedSubnet, block: Prefix): Promise<BlockDocument | undefined> {
    this.#pending.add(block);
    try {
      return await this.#claim(pool, block);
    } finally {
      this.#pending.delete(block);
    }
  }

  async #claim(pool: SharedSubnet, block: Prefix): Promise<BlockDocument | undefined> {
    const { cluster, membership } = this.#parts;
    const key = blockKey(pool.subnet, block);
    const document = this.#newDocument(pool, block);
    const text = JSON.stringify(document);
    for (let round = 0; round < rounds; round += 1) {
      const written = await this.#create(key, text);
      if (written !== undefined) {
        await this.#own(pool.subnet, block, document);
        return undefined;
      }
      const entry = await cluster.get(key);
      if (entry === undefined) {
        continue;
      }
      const found = understood(entry, pool.subnet);
      if (found.owner !== membership.hostId) {
        return found;
      }
      // An earlier write of ours that nobody had heard of.
      if (await this.adopt(pool.subnet, block, entry, found)) {
        return undefined;
      }
    }
    throw unsettled(`block ${block}`);
  }

  /**
   * Takes what the store says is ours. Writing it again is what makes sure that no earlier deletion, still under way,
   * takes it away afterwards.
   */
  async adopt(subnet: Prefix, block: Prefix, entry: ClusterEntry, found: BlockDocument): Promise<boolean> {
    const { cluster, membership } = this.#parts;
    const document: BlockDocument = {
      ...found,
      ownerName: membership.hostName.slice(0, 255),
      epoch: membership.epoch,
      by: membership.hostId,
      mark: randomUUID(),
    };
    const written = await cluster.put(entry.key, JSON.stringify(document), entry.revision);
    if (written === undefined) {
      return false;
    }
    await this.#own(subnet, block, document);
    return true;
  }

  /** Nothing is handed out of the block when this is called, and its addresses have rested. */
  async giveBack(owned: OwnedBlock): Promise<void> {
    const { ledger, announce } = this.#parts;
    const returning: OwnedBlock = { ...owned, state: "returning" };
    ledger.put(returning);
    await announce(owned.subnet);
    await this.finishReturn(returning);
  }

  /** Again and again, until the store has taken it. */
  async finishReturn(returning: OwnedBlock): Promise<void> {
    const { cluster, ledger, membership, log } = this.#parts;
    const { subnet, block } = returning;
    const isSame = () => ledger.find(block) === returning;
    const entry = await cluster.get(blockKey(subnet, block));
    const found = entry === undefined ? undefined : understood(entry, subnet);
    if (!isSame()) {
      return;
    }
    if (entry === undefined || found?.owner !== membership.hostId) {
      ledger.delete(block);
      return;
    }
    if (addressesLent(found).length > 0) {
      ledger.put({ ...returning, state: "owned", lent: addressesLent(found) });
      return;
    }
    if ((await cluster.delete(entry.key, entry.revision)) && isSame()) {
      ledger.delete(block);
      log.info("gave a block of addresses back", { subnet, block });
    }
  }

  async #claimFirstFree(pool: SharedSubnet): Promise<void> {
    const { ledger, membership } = this.#parts;
    let taken: ReadonlySet<Prefix> | undefined;
    for (const block of blockOrder(pool.subnet, pool.blockLength, membership.hostId)) {
      if (ledger.find(block) !== undefined || taken?.has(block)) {
        continue;
      }
      if ((await this.claim(pool, block)) === undefined) {
        return;
      }
      taken ??= await this.#takenBlocks(pool.subnet);
    }
    throw noBlockLeft(pool.subnet);
  }

  async #takenBlocks(subnet: Prefix): Promise<ReadonlySet<Prefix>> {
    const entries = await this.#parts.cluster.list(blocksPrefix(subnet));
    return new Set(entries.flatMap(({ key }) => blockOfKey(key)?.block ?? []));
  }

  /** A lost answer is settled by looking; without a look it stays open, and the next comparison finds what came of it. */
  async #create(key: string, text: string): Promise<ClusterEntry | undefined> {
    const { cluster } = this.#parts;
    try {
      return await cluster.put(key, text, "absent");
    } catch (error) {
      // The engine's patience has been used up nearly.
      const late = delay(lookMs, undefined, { ref: false });
      const entry = isUnanswered(error) ? await Promise.race([cluster.get(key), late]) : undefined;
      if (entry?.value !== text) {
        throw error;
      }
      return entry;
    }
  }

  async #own(subnet: Prefix, block: Prefix, { epoch, offered, ...rest }: BlockDocument): Promise<void> {
    const { ledger, announce, log } = this.#parts;
    const lent = addressesLent({ epoch, ...rest });
    ledger.hold(block);
    ledger.put({
      subnet,
      block,
      epoch,
      state: "owned",
      ...(offered === undefined ? {} : { offered }),
      ...(lent.length === 0 ? {} : { lent }),
    });
    log.info("claimed a block of addresses", { subnet, block });
    await announce(subnet);
    ledger.letGo(block);
  }

  #newDocument({ borrow }: SharedSubnet, block: Prefix): BlockDocument {
    const { hostId, hostName, epoch } = this.#parts.membership;
    return {
      version: 1,
      owner: hostId,
      ownerName: hostName.slice(0, 255),
      epoch,
      claimedAt: new Date().toISOString(),
      ...(borrow ? { offered: offeredPart(block) } : {}),
      by: hostId,
      mark: randomUUID(),
    };
  }
}

export function isUnanswered(error: unknown): boolean {
  return error instanceof FairwayError && error.code === "FW4001";
}

/** @throws FairwayError FW4002 for what this version does not understand. */
export function understood(entry: ClusterEntry, subnet: Prefix): BlockDocument {
  const document = readBlock(entry.value);
  if (document === undefined) {
    throw strangePool(subnet);
  }
  return document;
}
