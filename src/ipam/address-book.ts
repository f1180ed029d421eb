import type { Logger } from "../log.ts";
import type { AddressStanding } from "../model/block.ts";
import {
  addressBits,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  type Prefix,
  prefixContains,
  prefixesOverlap,
  prefixLengthOf,
  wholeAddress,
} from "../model/ip.ts";
import type { AddressPool, Division, Lease, SubnetPool } from "../model/pool.ts";
import { parsePoolOptions } from "../options/pool-options.ts";
import type { PoolStorePort } from "../store/port.ts";
import type { Registry } from "../store/registry.ts";
import { isWithin } from "./blocks/choice.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";
import { DividedPools, offerOf } from "./divided-pools.ts";
import { chooseDivision } from "./division.ts";
import type { AddressRequest, Ipam, PoolReply, PoolRequest } from "./ipam.ts";
import { LeaseBook } from "./lease-book.ts";
import { newPoolId } from "./pool-id.ts";
import { addressTaken, noAddressLeft, notInSubnet, pointlessOption, poolOverlaps, unknownPool } from "./refusals.ts";
import { SharedPools } from "./shared-pools.ts";
import { isUsable, type SubnetLeases } from "./subnet-leases.ts";

export interface AddressBookParts {
  readonly store: PoolStorePort;
  /** Who uses which address, as the network driver knows it. */
  readonly registry: Registry;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Blocks of subnets inside `flatSpace`, which several hosts divide. Absent: this host is alone. */
  readonly cluster?: { readonly blocks: ClusterBlocks; readonly flatSpace: readonly Prefix[] };
}

/** Pools and addresses in memory, written through to the store first. */
export class AddressBook implements Ipam {
  readonly #store: PoolStorePort;
  readonly #registry: Registry;
  readonly #log: Logger;
  readonly #cluster: AddressBookParts["cluster"];
  readonly #shared: SharedPools;
  readonly #book: LeaseBook;
  readonly #divided: DividedPools;

  constructor({ store, registry, log, nowMs, cluster }: AddressBookParts) {
    this.#store = store;
    this.#registry = registry;
    this.#log = log;
    this.#cluster = cluster;
    this.#shared = new SharedPools(store, registry);
    const blocks = cluster?.blocks;
    this.#book = new LeaseBook({ store, registry, log, nowMs, offerOf: (pool) => offerOf(pool, blocks) });
    this.#divided = new DividedPools({ book: this.#book, registry, log, blocks });
    const { pools, leases } = store.loadPools();
    const byPool = Map.groupBy(leases, ({ poolId }) => poolId);
    for (const pool of pools) {
      pool.kind === "shared" ? this.#shared.remember(pool) : this.#book.remember(pool, byPool.get(pool.id) ?? []);
    }
  }

  /** Parts of the subnet that are this host's. Undefined: it is not divided, all of it is. */
  blocksOf(subnet: Prefix): readonly Prefix[] | undefined {
    const division = this.#book.all().find(({ pool }) => pool.subnet === subnet)?.pool.division;
    const claimed = this.#cluster?.blocks.blocksOf(subnet) ?? [];
    if (division?.kind === "fixed") {
      return [division.block];
    }
    // Blocks outlive the network: they rest before they go back.
    return division === undefined && claimed.length === 0 ? undefined : claimed;
  }

  standingOf(subnet: Prefix, address: IpAddress): AddressStanding {
    const blocks = this.blocksOf(subnet);
    if (blocks === undefined || blocks.some((block) => prefixContains(block, address))) {
      return "own";
    }
    const leases = this.#book.all().find(({ pool }) => pool.subnet === subnet);
    return leases?.leaseAt(address)?.borrowedFrom === undefined ? "lost" : "borrowed";
  }

  /**
   * Told when a block of a subnet was claimed, given back or lost. A promise is waited for before the first address of a
   * claimed block is answered.
   */
  onBlocksChanged(listener: (subnet: Prefix) => Promise<void> | void): void {
    this.#cluster?.blocks.onBlocksChanged(listener);
  }

  /** For people and their tools. */
  pools(): readonly SubnetLeases[] {
    return this.#book.all();
  }

  /** Once in a while: what others are to have back. Never rejects. */
  async returnLoans(): Promise<void> {
    await this.#divided.returnLoans();
  }

  /** Undefined: nobody holds it, or it rests. */
  heldLease(address: IpAddress): Lease | undefined {
    return this.#book
      .all()
      .find((one) => one.isHeld(address))
      ?.leaseAt(address);
  }

  beginReplay(): void {
    this.#shared.beginReplay();
    this.#book.beginReplay();
  }

  async requestPool(request: PoolRequest): Promise<PoolReply> {
    const options = parsePoolOptions(request.options);
    const { subnet, range } = request;
    if (
      subnet === undefined ||
      prefixLengthOf(subnet) === 0 ||
      prefixLengthOf(subnet) === addressBits(familyOf(subnet))
    ) {
      for (const key of request.options.keys()) {
        throw pointlessOption(
          `ipam option ${key} has no meaning without --subnet`,
          "it says how hosts divide a subnet",
          `leave out ${key}, or name a subnet`,
        );
      }
      return this.#shared.request(request);
    }
    if (range !== undefined && !isWithin(range, subnet)) {
      throw notInSubnet(`range ${range}`, subnet);
    }
    this.#refuseOverlap(subnet);
    const known = this.#book
      .all()
      .find(({ pool }) => pool.subnet === subnet && this.#book.isUnconfirmed(pool.id))?.pool;
    const wish = { subnet, range, options, known: known?.division };
    const division = await chooseDivision(wish, this.#cluster);
    return this.#requestSubnet(subnet, range, division);
  }

  async releasePool(poolId: string): Promise<void> {
    const leases = this.#book.find(poolId);
    this.#removePool(poolId);
    for (const lease of [...(leases?.held() ?? []), ...(leases?.resting() ?? [])]) {
      await this.#divided.returnLoan(leases?.pool.subnet ?? ("" as Prefix), lease);
    }
  }

  async requestAddress(request: AddressRequest): Promise<InterfaceAddress> {
    const shared = this.#shared.find(request.poolId);
    if (shared !== undefined) {
      return this.#shared.requestAddress(shared, request);
    }
    const leases = this.#book.find(request.poolId);
    if (leases === undefined) {
      throw unknownPool(request.poolId);
    }
    const { division, subnet } = leases.pool;
    const address =
      division === undefined
        ? this.#requestLocal(leases, request)
        : await this.#divided.request(leases, division, request);
    // Without a segment, an address covers nothing but itself.
    const isFlat = !request.isGateway && this.#registry.networkIn(subnet)?.mode === "routed";
    return isFlat ? wholeAddress(address) : (`${address}/${prefixLengthOf(subnet)}` as InterfaceAddress);
  }

  async releaseAddress(poolId: string, address: IpAddress): Promise<void> {
    this.#book.release(poolId, address);
  }

  #removePool(poolId: string): void {
    this.#shared.forget(poolId);
    this.#book.forget(poolId);
    this.#store.deletePool(poolId);
  }

  #refuseOverlap(subnet: Prefix): void {
    for (const { pool } of this.#book.all()) {
      if (prefixesOverlap(pool.subnet, subnet) && !this.#book.isUnconfirmed(pool.id)) {
        throw poolOverlaps(subnet, pool.subnet);
      }
    }
  }

  #requestSubnet(subnet: Prefix, range: Prefix | undefined, division: Division | undefined): PoolReply {
    // Once more: another request may have come in between.
    this.#refuseOverlap(subnet);
    for (const { pool } of this.#book.all()) {
      if (!prefixesOverlap(pool.subnet, subnet)) {
        continue;
      }
      if (pool.subnet === subnet && pool.range === range && isSame(pool.division, division)) {
        this.#book.confirm(pool.id);
        return { poolId: pool.id, subnet };
      }
      this.#log.warn("gave up an address pool that the engine has forgotten", { subnet: pool.subnet });
      this.#removePool(pool.id);
    }
    const pool: SubnetPool = {
      kind: "subnet",
      id: newPoolId(subnet),
      subnet,
      ...(range === undefined ? {} : { range }),
      ...(division === undefined ? {} : { division }),
    };
    this.#store.putPool(pool satisfies AddressPool);
    this.#book.remember(pool, []);
    this.#divided.born(pool.id);
    return { poolId: pool.id, subnet };
  }

  #requestLocal(leases: SubnetLeases, request: AddressRequest): IpAddress {
    if (request.address !== undefined) {
      return this.#claim(leases, request.address, request);
    }
    const address = this.#book.pick(leases, request);
    if (address === undefined) {
      throw noAddressLeft(leases.pool.range ?? leases.pool.subnet);
    }
    return address;
  }

  #claim(leases: SubnetLeases, address: IpAddress, request: AddressRequest): IpAddress {
    const { id, subnet } = leases.pool;
    if (!isUsable(subnet, address)) {
      throw notInSubnet(`address ${address}`, subnet);
    }
    const isReplay = this.#book.confirmLease(id, address);
    if (leases.isHeld(address)) {
      if (!isReplay) {
        throw addressTaken(address, subnet);
      }
      return address;
    }
    const isReserved = request.isGateway || this.#divided.isAuxiliary(leases.pool, request);
    this.#book.take(leases, address, isReserved ? "reserved" : "container");
    return address;
  }
}

function isSame(a: Division | undefined, b: Division | undefined): boolean {
  return JSON.stringify(a, keyOrder) === JSON.stringify(b, keyOrder);
}

const keyOrder = ["kind", "block", "blockLength", "borrow"];
