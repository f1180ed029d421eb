import { explain, FairwayError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type IpAddress, type Prefix, prefixContains } from "../model/ip.ts";
import type { Division, Lease, SubnetPool } from "../model/pool.ts";
import type { Registry } from "../store/registry.ts";
import { commonGateway } from "./blocks/choice.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";
import type { Borrowed } from "./blocks/loans.ts";
import type { BlockUse, SharedSubnet } from "./blocks/parts.ts";
import { notOfThisBlock } from "./blocks/refusals.ts";
import type { AddressRequest } from "./ipam.ts";
import type { LeaseBook } from "./lease-book.ts";
import { addressTaken, noAddressLeft, notDividedAnyMore, notInSubnet } from "./refusals.ts";
import { coolDownMs, isUsable, type Offer, type SubnetLeases } from "./subnet-leases.ts";

export interface DividedPoolsParts {
  readonly book: LeaseBook;
  readonly registry: Registry;
  readonly log: Logger;
  /** Undefined: this host is alone. */
  readonly blocks: ClusterBlocks | undefined;
}

type ClusterDivision = Extract<Division, { kind: "cluster" }>;

/** More would mean that others change the store faster than we read it. */
const rounds = 4;
/** An engine asks for the addresses that the user keeps free as soon as it has the pool, and in a container's words. */
const auxiliaryMs = 10_000;

/** Subnets that several hosts hand out addresses of, each from its own blocks. */
export class DividedPools implements BlockUse {
  readonly #parts: DividedPoolsParts;
  readonly #bornAtMs = new Map<string, number>();

  constructor(parts: DividedPoolsParts) {
    this.#parts = parts;
    parts.blocks?.attach(this);
  }

  born(poolId: string): void {
    this.#bornAtMs.set(poolId, this.#parts.book.nowMs());
  }

  async request(leases: SubnetLeases, division: Division, request: AddressRequest): Promise<IpAddress> {
    const { address, isGateway } = request;
    if (isGateway) {
      return this.#reserve(leases, address ?? commonGateway(leases.pool.subnet));
    }
    if (address === undefined) {
      return division.kind === "fixed"
        ? this.#pick(leases, division.block, request)
        : await this.#choose(leases, division, request);
    }
    const { id, subnet } = leases.pool;
    if (!isUsable(subnet, address)) {
      throw notInSubnet(`address ${address}`, subnet);
    }
    if (this.isAuxiliary(leases.pool, request)) {
      return this.#reserve(leases, address);
    }
    if (leases.isHeld(address) && this.#parts.book.confirmLease(id, address)) {
      return address;
    }
    refuseTaken(leases, address);
    return division.kind === "fixed"
      ? this.#takeFixed(leases, division.block, address)
      : await this.#takeNamed(leases, division, address);
  }

  /** Addresses of other hosts' blocks whose rest is over. */
  async returnLoans(): Promise<void> {
    const { book } = this.#parts;
    for (const leases of book.all()) {
      for (const lease of leases.resting()) {
        if (lease.borrowedFrom !== undefined && this.#hasRested(lease)) {
          book.drop(leases, lease.address);
          await this.returnLoan(leases.pool.subnet, lease);
        }
      }
    }
  }

  /** The disk has forgotten the lease already; what cannot be told now is found by the next comparison. */
  async returnLoan(subnet: Prefix, { address, borrowedFrom }: Pick<Lease, "address" | "borrowedFrom">): Promise<void> {
    const { blocks, log } = this.#parts;
    if (borrowedFrom !== undefined) {
      await blocks?.returnLoan(subnet, { address, block: borrowedFrom }).catch((error: unknown) => {
        log.warn("a borrowed address was not returned yet", { address, text: explain(error) });
      });
    }
  }

  subnets(): readonly SharedSubnet[] {
    return this.#parts.book.all().flatMap(({ pool: { subnet, division } }) => {
      return division?.kind === "cluster" ? [{ subnet, ...division }] : [];
    });
  }

  held(subnet: Prefix, part: Prefix): number {
    return this.#leasesOf(subnet).reduce((sum, leases) => sum + leases.held().filter(isUseOf(part)).length, 0);
  }

  busy(subnet: Prefix, part: Prefix): number {
    const tired = this.#leasesOf(subnet).flatMap((leases) =>
      leases.resting().filter((lease) => !this.#hasRested(lease)),
    );
    return this.held(subnet, part) + tired.filter(isUseOf(part)).length;
  }

  count(subnet: Prefix): number {
    return this.#leasesOf(subnet).reduce((sum, leases) => {
      const resting = leases.resting();
      const rested = resting.findLastIndex((lease) => this.#hasRested(lease)) + 1;
      return sum + leases.heldCount + resting.length - rested;
    }, 0);
  }

  hasLoan(subnet: Prefix, address: IpAddress): boolean {
    return this.#leasesOf(subnet).some((leases) => leases.leaseAt(address)?.borrowedFrom !== undefined);
  }

  loans(subnet: Prefix): readonly IpAddress[] {
    return this.#leasesOf(subnet).flatMap((leases) =>
      [...leases.held(), ...leases.resting()]
        .filter(({ borrowedFrom }) => borrowedFrom !== undefined)
        .map(({ address }) => address),
    );
  }

  loseLoan(subnet: Prefix, address: IpAddress): void {
    for (const leases of this.#leasesOf(subnet)) {
      if (leases.isHeld(address)) {
        this.#parts.book.take(leases, address, "container");
      } else {
        this.#parts.book.drop(leases, address);
      }
    }
  }

  async #choose(leases: SubnetLeases, division: ClusterDivision, request: AddressRequest): Promise<IpAddress> {
    const blocks = this.#blocks(leases.pool);
    const pool = { subnet: leases.pool.subnet, ...division };
    for (let round = 0; round < rounds; round += 1) {
      await blocks.reopen(pool.subnet);
      const address = blocks.refusal(pool.subnet) === undefined ? this.#parts.book.pick(leases, request) : undefined;
      if (address !== undefined) {
        blocks.considerMore(pool);
        return address;
      }
      const borrowed = await this.#getMore(blocks, pool);
      // It may rest here since the days when its block was this host's.
      if (borrowed !== undefined && !leases.isHeld(borrowed.address)) {
        return this.#takeBorrowed(leases, blocks, borrowed);
      }
      if (borrowed !== undefined) {
        blocks.settled(borrowed.address);
        await this.returnLoan(pool.subnet, { address: borrowed.address, borrowedFrom: borrowed.block });
      }
    }
    throw noAddressLeft(pool.subnet);
  }

  /** Borrowed: only this, and no block to choose from. */
  async #getMore(blocks: ClusterBlocks, pool: SharedSubnet): Promise<Borrowed | undefined> {
    try {
      await blocks.claimAny(pool);
      return undefined;
    } catch (error) {
      if (!(error instanceof FairwayError) || error.code !== "FW3011") {
        throw error;
      }
      if (await blocks.takeBackOffers(pool.subnet)) {
        return undefined;
      }
      const borrowed = pool.borrow ? await blocks.borrowAny(pool.subnet) : undefined;
      if (borrowed === undefined) {
        throw error;
      }
      return borrowed;
    }
  }

  /** `--ip` */
  async #takeNamed(leases: SubnetLeases, division: ClusterDivision, address: IpAddress): Promise<IpAddress> {
    const blocks = this.#blocks(leases.pool);
    const pool = { subnet: leases.pool.subnet, ...division };
    for (let round = 0; round < rounds; round += 1) {
      await blocks.reopen(pool.subnet);
      refuseTaken(leases, address);
      const borrowedFrom = leases.leaseAt(address)?.borrowedFrom;
      const isOurs = leases.isOffered(address) || borrowedFrom !== undefined;
      if (isOurs && blocks.refusal(pool.subnet) === undefined) {
        // A borrowed one whose rest is not over has not been returned.
        this.#parts.book.take(leases, address, "container", borrowedFrom === undefined ? {} : { borrowedFrom });
        return address;
      }
      const borrowed = await blocks.claimAround(pool, address);
      if (borrowed !== undefined) {
        return this.#takeBorrowed(leases, blocks, borrowed);
      }
    }
    throw addressTaken(address, pool.subnet);
  }

  #takeBorrowed(leases: SubnetLeases, blocks: ClusterBlocks, { address, block }: Borrowed): IpAddress {
    try {
      this.#parts.book.take(leases, address, "container", { borrowedFrom: block });
      return address;
    } finally {
      blocks.settled(address);
    }
  }

  #pick(leases: SubnetLeases, block: Prefix, request: AddressRequest): IpAddress {
    const address = this.#parts.book.pick(leases, request);
    if (address === undefined) {
      throw noAddressLeft(block);
    }
    return address;
  }

  #takeFixed(leases: SubnetLeases, block: Prefix, address: IpAddress): IpAddress {
    if (!prefixContains(block, address)) {
      throw notOfThisBlock(address, block);
    }
    this.#parts.book.take(leases, address, "container");
    return address;
  }

  /** The same on every host, and so in nobody's block. */
  #reserve(leases: SubnetLeases, address: IpAddress): IpAddress {
    const { id, subnet } = leases.pool;
    if (!isUsable(subnet, address)) {
      throw notInSubnet(`address ${address}`, subnet);
    }
    const isReplay = this.#parts.book.confirmLease(id, address);
    if (!leases.isHeld(address)) {
      this.#parts.book.take(leases, address, "reserved");
    } else if (!isReplay) {
      throw addressTaken(address, subnet);
    }
    return address;
  }

  /** Does the user keep it free? */
  isAuxiliary({ id, subnet }: SubnetPool, { name }: AddressRequest): boolean {
    const ageMs = this.#parts.book.nowMs() - (this.#bornAtMs.get(id) ?? Number.NEGATIVE_INFINITY);
    const networks = this.#parts.registry.networks();
    const isKnown = networks.some(({ ipv4, ipv6 }) => [...ipv4, ...ipv6].some((pool) => pool.subnet === subnet));
    return name === undefined && !isKnown && ageMs < auxiliaryMs;
  }

  #blocks({ subnet }: SubnetPool): ClusterBlocks {
    const { blocks } = this.#parts;
    if (blocks === undefined) {
      throw notDividedAnyMore(subnet, false);
    }
    return blocks;
  }

  #leasesOf(subnet: Prefix): SubnetLeases[] {
    return this.#parts.book.all().filter(({ pool }) => pool.subnet === subnet);
  }

  #hasRested({ releasedAtMs }: Lease): boolean {
    return releasedAtMs !== undefined && this.#parts.book.nowMs() - releasedAtMs >= coolDownMs;
  }
}

/** What a pool may hand out at this moment. Undefined: all of it. */
export function offerOf(
  { subnet, division }: SubnetPool,
  blocks: ClusterBlocks | undefined,
): (() => Offer) | undefined {
  if (division === undefined) {
    return undefined;
  }
  const gateway = commonGateway(subnet);
  if (division.kind === "fixed") {
    const offer: Offer = { ranges: [division.block], withheld: [gateway] };
    return () => offer;
  }
  return () => {
    const { ranges, withheld } = blocks?.offer(subnet) ?? { ranges: [], withheld: [] };
    return { ranges, withheld: [gateway, ...withheld] };
  };
}

function isUseOf(part: Prefix): (lease: Lease) => boolean {
  return ({ use, address, borrowedFrom }) =>
    use === "container" && borrowedFrom === undefined && prefixContains(part, address);
}

function refuseTaken(leases: SubnetLeases, address: IpAddress): void {
  if (leases.isHeld(address) || address === commonGateway(leases.pool.subnet)) {
    throw addressTaken(address, leases.pool.subnet);
  }
}
