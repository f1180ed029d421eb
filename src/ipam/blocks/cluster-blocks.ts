import type { ClusterStore } from "../../cluster/port.ts";
import { explain } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { OwnedBlock } from "../../model/block.ts";
import type { IpAddress, Prefix } from "../../model/ip.ts";
import type { BlockStorePort } from "../../store/port.ts";
import type { Offer } from "../subnet-leases.ts";
import { blockAt, isWithin, sizeOf } from "./choice.ts";
import { BlockClaims } from "./claims.ts";
import { compareWithStore } from "./comparison.ts";
import { BlockLedger } from "./ledger.ts";
import { type Borrowed, Loans } from "./loans.ts";
import { Membership } from "./membership.ts";
import type { BlockListener, BlockParts, BlockUse, SharedSubnet } from "./parts.ts";
import { ensurePool } from "./pools.ts";
import { type ReleaseReport, reclaimHost } from "./reclaim.ts";
import { ownedByOther } from "./refusals.ts";
import type { Clocks } from "./silence.ts";

export interface ClusterBlocksParts {
  readonly cluster: ClusterStore;
  readonly store: BlockStorePort;
  readonly clocks: Clocks;
  readonly log: Logger;
  readonly hostName: string;
  readonly ownershipMs: number;
}

/** When one more block is claimed, and when an empty one may go. */
const claimAheadShare = 0.75;
const giveBackShare = 0.5;
export const giveBackDelayMs = 600_000;
const retryMs = 30_000;
const nothingInUse: BlockUse = {
  subnets: () => [],
  held: () => 0,
  busy: () => 0,
  count: () => 0,
  hasLoan: () => false,
  loans: () => [],
  loseLoan: () => undefined,
};

/** This host's blocks of the subnets that it divides with others. */
export class ClusterBlocks {
  readonly membership: Membership;
  readonly cluster: ClusterStore;
  readonly #parts: BlockParts;
  readonly #clocks: Clocks;
  readonly #ledger: BlockLedger;
  readonly #claims: BlockClaims;
  readonly #loans: Loans;
  readonly #listeners: BlockListener[] = [];
  readonly #lostListeners: ((lost: OwnedBlock) => void)[] = [];
  readonly #emptySinceMs = new Map<Prefix, number>();
  readonly #triedAtMs = new Map<Prefix, number>();
  #use: BlockUse = nothingInUse;
  #comparing: Promise<void> | undefined;

  constructor({ cluster, store, clocks, log, hostName, ownershipMs }: ClusterBlocksParts) {
    this.cluster = cluster;
    this.#clocks = clocks;
    this.membership = new Membership({ cluster, store, clocks, log, hostName, ownershipMs });
    this.#ledger = new BlockLedger(store);
    this.#parts = {
      cluster,
      membership: this.membership,
      ledger: this.#ledger,
      log,
      use: () => this.#use,
      announce: (subnet) => this.#announce(subnet),
    };
    this.#claims = new BlockClaims(this.#parts);
    this.#loans = new Loans(this.#parts);
    for (const { block, epoch } of this.#ledger.all()) {
      if (epoch < this.membership.epoch) {
        this.#ledger.hold(block);
      }
    }
  }

  /** Whoever knows what is in use says so, once. */
  attach(use: BlockUse): void {
    this.#use = use;
  }

  onBlocksChanged(listener: BlockListener): void {
    this.#listeners.push(listener);
  }

  /** A block was given to another host; addresses of it may be in use here. */
  onLost(listener: (lost: OwnedBlock) => void): void {
    this.#lostListeners.push(listener);
  }

  blocksOf(subnet: Prefix): readonly Prefix[] {
    return this.#ledger.owned(subnet).map(({ block }) => block);
  }

  all(): readonly OwnedBlock[] {
    return this.#ledger.all();
  }

  offer(subnet: Prefix): Offer {
    return this.#ledger.offer(subnet);
  }

  /** @returns length of the subnet's blocks. @throws FairwayError FW3010, FW4001, FW4002 */
  async ensurePool(subnet: Prefix, wanted: number | undefined): Promise<number> {
    return await ensurePool(this.cluster, subnet, this.membership.hostId, wanted);
  }

  /** Undefined: addresses may be handed out. Asked at the moment that one is. */
  refusal(subnet: Prefix): Error | undefined {
    return this.membership.refusal(subnet);
  }

  /** The last way out before a refusal: perhaps the store answers again. @throws FairwayError FW4003, FW4001, FW4002 */
  async reopen(subnet: Prefix): Promise<void> {
    if (this.refusal(subnet) === undefined) {
      return;
    }
    try {
      await this.compare();
    } catch (error) {
      this.#parts.log.warn("cluster store not asked", { text: explain(error) });
      // A host without blocks has nothing to be careful about: what is wrong is wrong with the store.
      throw this.#ledger.owned(subnet).length === 0 ? error : (this.refusal(subnet) ?? error);
    }
    const after = this.refusal(subnet);
    if (after !== undefined) {
      throw after;
    }
  }

  async claimAny(pool: SharedSubnet): Promise<void> {
    await this.#claims.claimAny(pool);
  }

  /** Afterwards the address is this host's to give. Borrowed: it is for one container only, see Loans. */
  async claimAround(pool: SharedSubnet, address: IpAddress): Promise<Borrowed | undefined> {
    const block = blockAt(address, pool.blockLength);
    const own = this.#ledger.find(block);
    if (own?.state === "owned") {
      await this.#takeOwn(own, address);
      return undefined;
    }
    const other = await this.#claims.claim(pool, block);
    if (other === undefined) {
      return undefined;
    }
    const borrowed = pool.borrow ? await this.#loans.borrow(pool.subnet, block, address) : undefined;
    if (borrowed === undefined) {
      throw ownedByOther(address, block, other.ownerName);
    }
    return borrowed;
  }

  async borrowAny(subnet: Prefix): Promise<Borrowed | undefined> {
    return await this.#loans.borrowAny(subnet);
  }

  /** True: there is something more to hand out. */
  async takeBackOffers(subnet: Prefix): Promise<boolean> {
    const owned = this.#ledger.owned(subnet).find(({ offered }) => offered !== undefined);
    if (owned === undefined) {
      return false;
    }
    await this.#loans.takeBack(owned);
    return this.#ledger.find(owned.block)?.offered === undefined;
  }

  /** A borrowed address is on the disk now, or is not wanted. */
  settled(address: IpAddress): void {
    this.#loans.settled(address);
  }

  async returnLoan(subnet: Prefix, borrowed: Borrowed): Promise<void> {
    await this.#loans.giveBack(subnet, borrowed);
  }

  /** In the background, after an address was handed out. */
  considerMore(pool: SharedSubnet): void {
    const { subnet } = pool;
    const capacity = this.#ledger.owned(subnet).reduce((sum, { block }) => sum + sizeOf(block), 0);
    const isRoomy = this.#use.count(subnet) < claimAheadShare * capacity;
    if (isRoomy || this.#claims.isClaiming(subnet)) {
      return;
    }
    const now = this.#clocks.uptimeMs();
    const isTooSoon = now - (this.#triedAtMs.get(subnet) ?? Number.NEGATIVE_INFINITY) < retryMs;
    if (isTooSoon) {
      return;
    }
    this.#triedAtMs.set(subnet, now);
    this.#claims.claimAny(pool).then(
      () => this.#triedAtMs.delete(subnet),
      (error: unknown) => this.#parts.log.warn("no block claimed ahead", { subnet, text: explain(error) }),
    );
  }

  /** Looks whether our blocks are still ours; those who ask at the same time ask together. */
  compare(): Promise<void> {
    const parts = { parts: this.#parts, claims: this.#claims, loans: this.#loans, onLost: this.#lost };
    this.#comparing ??= compareWithStore(parts).finally(() => {
      this.#comparing = undefined;
    });
    return this.#comparing;
  }

  /** Empty blocks go back, one of each subnet at a time. */
  async giveBackIdle(): Promise<void> {
    for (const one of this.#ledger.all()) {
      if (one.state === "returning") {
        await this.#claims.finishReturn(one);
      }
    }
    for (const subnet of new Set(this.#ledger.all().map((one) => one.subnet))) {
      const idle = this.#idleBlock(subnet);
      if (idle !== undefined) {
        this.#emptySinceMs.delete(idle.block);
        await this.#claims.giveBack(idle);
      }
    }
  }

  /** @throws FairwayError FW4004 */
  async releaseHost(nameOrId: string, force: boolean): Promise<ReleaseReport> {
    return await reclaimHost(this.cluster, this.#loans, nameOrId, { hostId: this.membership.hostId, force });
  }

  /** Empty blocks of this host, without any delay. */
  async releaseOwn(): Promise<readonly Prefix[]> {
    const returned: Prefix[] = [];
    for (const { block } of this.#ledger.all()) {
      const one = this.#ledger.find(block);
      if (one?.state === "owned" && this.#use.busy(one.subnet, block) === 0) {
        await this.#claims.giveBack(one);
        returned.push(...(this.#ledger.find(block) === undefined ? [block] : []));
      }
    }
    return returned;
  }

  readonly #lost = (lost: OwnedBlock): void => {
    for (const listener of this.#lostListeners) {
      listener(lost);
    }
  };

  async #takeOwn(own: OwnedBlock, address: IpAddress): Promise<void> {
    if (
      own.offered !== undefined &&
      isWithin(`${address}/${address.includes(":") ? 128 : 32}` as Prefix, own.offered)
    ) {
      await this.#loans.takeBack(own);
    }
  }

  async #announce(subnet: Prefix): Promise<void> {
    for (const listener of this.#listeners) {
      try {
        await listener(subnet);
      } catch (error) {
        this.#parts.log.error("a change of blocks was not carried out", { subnet, text: explain(error) });
      }
    }
  }

  #share(subnet: Prefix, owned: readonly OwnedBlock[]): number {
    const capacity = owned.reduce((sum, { block }) => sum + sizeOf(block), 0);
    const busy = owned.reduce((sum, { block }) => sum + this.#use.busy(subnet, block), 0);
    return capacity === 0 ? 1 : busy / capacity;
  }

  /** The first that was empty for long enough and that will not be missed. */
  #idleBlock(subnet: Prefix): OwnedBlock | undefined {
    const owned = this.#ledger.owned(subnet);
    const now = this.#clocks.uptimeMs();
    const isWanted = this.#use.subnets().some((pool) => pool.subnet === subnet);
    const candidates = owned.filter(({ block }) => {
      const isEmpty = this.#use.busy(subnet, block) === 0;
      const since = this.#emptySinceMs.get(block) ?? now;
      isEmpty ? this.#emptySinceMs.set(block, since) : this.#emptySinceMs.delete(block);
      return isEmpty && now - since >= giveBackDelayMs;
    });
    const last = candidates.at(-1);
    const rest = owned.filter((one) => one !== last);
    return isWanted && (rest.length === 0 || this.#share(subnet, rest) >= giveBackShare) ? undefined : last;
  }
}
