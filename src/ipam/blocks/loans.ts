import { randomUUID } from "node:crypto";
import { addressesLent, type BlockDocument, type Loan } from "../../cluster/documents.ts";
import { blockKey, blockOfKey, blocksPrefix } from "../../cluster/keys.ts";
import type { ClusterEntry } from "../../cluster/port.ts";
import type { OwnedBlock } from "../../model/block.ts";
import { boundsOf, familyOf, fromBigInt, type IpAddress, type Prefix, prefixContains } from "../../model/ip.ts";
import { commonGateway } from "./choice.ts";
import { understood } from "./claims.ts";
import type { BlockParts } from "./parts.ts";
import { unsettled } from "./refusals.ts";

export interface Borrowed {
  readonly address: IpAddress;
  readonly block: Prefix;
}

const rounds = 5;

/**
 * Single addresses of other hosts' blocks. At each moment an address is the owner's, offered, or lent: every step from one
 * to another is one change of the block's document, made from the revision that it was read in.
 */
export class Loans {
  readonly #parts: BlockParts;
  /** Lent to us, and the disk is about to know. */
  readonly #underWay = new Set<IpAddress>();

  constructor(parts: BlockParts) {
    this.#parts = parts;
  }

  /** Any address that is offered. Whoever gets one calls `settled` when it is on the disk. */
  async borrowAny(subnet: Prefix): Promise<Borrowed | undefined> {
    for (const entry of await this.#parts.cluster.list(blocksPrefix(subnet))) {
      const block = blockOfKey(entry.key)?.block;
      const borrowed = block === undefined ? undefined : await this.#borrowFrom(subnet, block, entry);
      if (borrowed !== undefined) {
        return borrowed;
      }
    }
    return undefined;
  }

  /** This address. Undefined: it is not offered. */
  async borrow(subnet: Prefix, block: Prefix, address: IpAddress): Promise<Borrowed | undefined> {
    const entry = await this.#parts.cluster.get(blockKey(subnet, block));
    return entry === undefined ? undefined : await this.#borrowFrom(subnet, block, entry, address);
  }

  settled(address: IpAddress): void {
    this.#underWay.delete(address);
  }

  /** The disk has forgotten it already. */
  async giveBack(subnet: Prefix, { address, block }: Borrowed): Promise<void> {
    const key = blockKey(subnet, block);
    for (let round = 0; round < rounds; round += 1) {
      const entry = await this.#parts.cluster.get(key);
      if (entry === undefined || (await this.#forget(subnet, entry, address, this.#parts.membership.hostId))) {
        return;
      }
    }
  }

  /** Removes what a host borrowed until that epoch, from one block. */
  async forgetHost(subnet: Prefix, entry: ClusterEntry, hostId: string, epoch: number): Promise<number> {
    const all = Object.entries(understood(entry, subnet).lent ?? {});
    const rest = all.filter(([, loan]) => loan.host !== hostId || loan.epoch > epoch);
    const count = all.length - rest.length;
    const written = count === 0 ? undefined : await this.#write(subnet, entry, Object.fromEntries(rest));
    return written === undefined ? 0 : count;
  }

  /** The owner wants for itself what nobody has borrowed. */
  async takeBack(owned: OwnedBlock): Promise<void> {
    const { cluster, ledger, membership } = this.#parts;
    const entry = await cluster.get(blockKey(owned.subnet, owned.block));
    const found = entry === undefined ? undefined : understood(entry, owned.subnet);
    if (entry === undefined || found?.owner !== membership.hostId || ledger.find(owned.block) !== owned) {
      return;
    }
    const { offered: _, ...rest } = found;
    const written = await cluster.put(entry.key, this.#text(rest), entry.revision);
    if (written !== undefined && ledger.find(owned.block) === owned) {
      const { offered: _o, lent: _l, ...bare } = owned;
      const lent = addressesLent(found);
      ledger.put({ ...bare, ...(lent.length === 0 ? {} : { lent }) });
    }
  }

  /**
   * What the store says is lent to us, and what the disk knows, become the same.
   * @param known from before the store was asked: what was borrowed since is not missing there
   */
  async compare(
    subnet: Prefix,
    entries: ReadonlyMap<Prefix, ClusterEntry>,
    known: readonly IpAddress[],
  ): Promise<void> {
    const found = new Set<string>();
    for (const entry of entries.values()) {
      for (const address of await this.#compareBlock(subnet, entry)) {
        found.add(address);
      }
    }
    for (const address of known.filter((one) => !found.has(one))) {
      this.#parts.log.error("a borrowed address is not lent to this host any more", { subnet, address });
      this.#parts.use().loseLoan(subnet, address);
    }
  }

  /** @returns the addresses of the block that stay lent to us */
  async #compareBlock(subnet: Prefix, listed: ClusterEntry): Promise<readonly string[]> {
    const { cluster, membership } = this.#parts;
    let entry: ClusterEntry | undefined = listed;
    for (let round = 0; round < rounds && entry !== undefined; round += 1) {
      const lent = understood(entry, subnet).lent ?? {};
      const wanted = this.#settledLoans(subnet, lent);
      const own = Object.keys(wanted).filter((address) => wanted[address]?.host === membership.hostId);
      const isSame = JSON.stringify(wanted) === JSON.stringify(lent);
      if (isSame || (await this.#write(subnet, entry, wanted)) !== undefined) {
        return own;
      }
      entry = await cluster.get(listed.key);
    }
    if (entry !== undefined) {
      throw unsettled(listed.key);
    }
    return [];
  }

  /** Ours that nobody has any more go; ours of an earlier epoch are written again, so that they stay ours. */
  #settledLoans(subnet: Prefix, lent: Readonly<Record<string, Loan>>): Record<string, Loan> {
    const { hostId, epoch } = this.#parts.membership;
    const hasLoan = (address: string) =>
      this.#underWay.has(address as IpAddress) || this.#parts.use().hasLoan(subnet, address as IpAddress);
    const kept = Object.entries(lent).filter(([address, { host }]) => host !== hostId || hasLoan(address));
    return Object.fromEntries(
      kept.map(([address, loan]) => [address, loan.host === hostId ? { ...loan, epoch } : loan]),
    );
  }

  async #borrowFrom(
    subnet: Prefix,
    block: Prefix,
    listed: ClusterEntry,
    wanted?: IpAddress,
  ): Promise<Borrowed | undefined> {
    const { cluster, membership } = this.#parts;
    let entry: ClusterEntry | undefined = listed;
    for (let round = 0; round < rounds && entry !== undefined; round += 1) {
      const found = understood(entry, subnet);
      const address = found.owner === membership.hostId ? undefined : freeOffer(subnet, found, wanted);
      if (address === undefined || this.#parts.use().hasLoan(subnet, address)) {
        return undefined;
      }
      const { hostId: host, hostName: name, epoch } = membership;
      const loan: Loan = { host, name: name.slice(0, 255), epoch, at: new Date().toISOString() };
      this.#underWay.add(address);
      const written = await this.#write(subnet, entry, { ...found.lent, [address]: loan }).catch((error: unknown) => {
        this.#underWay.delete(address);
        throw error;
      });
      if (written !== undefined) {
        return { address, block };
      }
      this.#underWay.delete(address);
      entry = await cluster.get(listed.key);
    }
    return undefined;
  }

  async #forget(subnet: Prefix, entry: ClusterEntry, address: IpAddress, hostId: string): Promise<boolean> {
    const { [address]: loan, ...rest } = understood(entry, subnet).lent ?? {};
    return loan?.host !== hostId || (await this.#write(subnet, entry, rest)) !== undefined;
  }

  async #write(subnet: Prefix, entry: ClusterEntry, lent: Readonly<Record<string, Loan>>) {
    const { lent: _, ...found } = understood(entry, subnet);
    const document = Object.keys(lent).length === 0 ? found : { ...found, lent };
    return await this.#parts.cluster.put(entry.key, this.#text(document), entry.revision);
  }

  #text(document: BlockDocument): string {
    const { hostId } = this.#parts.membership;
    return JSON.stringify({ ...document, by: hostId, mark: randomUUID() } satisfies BlockDocument);
  }
}

/** The first that is offered and that nobody has. */
function freeOffer(
  subnet: Prefix,
  { offered, lent = {} }: BlockDocument,
  wanted: IpAddress | undefined,
): IpAddress | undefined {
  if (offered === undefined) {
    return undefined;
  }
  if (wanted !== undefined) {
    return prefixContains(offered, wanted) && lent[wanted] === undefined ? wanted : undefined;
  }
  const [first, last] = boundsOf(offered);
  const [, broadcast] = boundsOf(subnet);
  for (let value = first; value <= last && value < broadcast; value += 1n) {
    const address = fromBigInt(value, familyOf(offered));
    if (lent[address] === undefined && address !== commonGateway(subnet)) {
      return address;
    }
  }
  return undefined;
}
