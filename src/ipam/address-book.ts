import type { Logger } from "../log.ts";
import {
  addressBits,
  familyOf,
  hostOf,
  type InterfaceAddress,
  type IpAddress,
  type Prefix,
  prefixContains,
  prefixesOverlap,
  prefixLengthOf,
} from "../model/ip.ts";
import type { AddressPool, Lease, SubnetPool } from "../model/pool.ts";
import type { PoolStorePort } from "../store/port.ts";
import type { Registry } from "../store/registry.ts";
import type { AddressRequest, Ipam, PoolReply, PoolRequest } from "./ipam.ts";
import { newPoolId } from "./pool-id.ts";
import { addressTaken, noAddressLeft, notInSubnet, poolOverlaps, unknownOption, unknownPool } from "./refusals.ts";
import { SharedPools } from "./shared-pools.ts";
import { isUsable, SubnetLeases } from "./subnet-leases.ts";

export interface AddressBookParts {
  readonly store: PoolStorePort;
  /** Who uses which address, as the network driver knows it. */
  readonly registry: Registry;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** Pools and addresses in memory, written through to the store first. */
export class AddressBook implements Ipam {
  readonly #store: PoolStorePort;
  readonly #registry: Registry;
  readonly #log: Logger;
  readonly #nowMs: () => number;
  readonly #shared: SharedPools;
  readonly #subnets = new Map<string, SubnetLeases>();
  /** Pools and "pool address" pairs that the engine has not asked for since it started. */
  readonly #unconfirmed = new Set<string>();

  constructor({ store, registry, log, nowMs }: AddressBookParts) {
    this.#store = store;
    this.#registry = registry;
    this.#log = log;
    this.#nowMs = nowMs;
    this.#shared = new SharedPools(store, registry);
    const { pools, leases } = store.loadPools();
    const byPool = Map.groupBy(leases, ({ poolId }) => poolId);
    for (const pool of pools) {
      this.#remember(pool, byPool.get(pool.id) ?? []);
    }
  }

  beginReplay(): void {
    this.#shared.beginReplay();
    this.#unconfirmed.clear();
    for (const { pool, leases } of this.#subnetPools()) {
      this.#unconfirmed.add(pool.id);
      for (const { address } of leases.held()) {
        this.#unconfirmed.add(leaseKey(pool.id, address));
      }
    }
  }

  requestPool(request: PoolRequest): PoolReply {
    for (const key of request.options.keys()) {
      throw unknownOption(key);
    }
    const { subnet } = request;
    if (
      subnet === undefined ||
      prefixLengthOf(subnet) === 0 ||
      prefixLengthOf(subnet) === addressBits(familyOf(subnet))
    ) {
      return this.#shared.request(request);
    }
    return this.#requestSubnet(subnet, request.range);
  }

  releasePool(poolId: string): void {
    this.#forget(poolId);
    this.#store.deletePool(poolId);
  }

  requestAddress(request: AddressRequest): InterfaceAddress {
    const shared = this.#shared.find(request.poolId);
    if (shared !== undefined) {
      return this.#shared.requestAddress(shared, request);
    }
    const leases = this.#subnets.get(request.poolId);
    if (leases === undefined) {
      throw unknownPool(request.poolId);
    }
    const address =
      request.address === undefined
        ? this.#choose(leases, request)
        : this.#claim(leases, request.address, request.isGateway);
    return `${address}/${prefixLengthOf(leases.pool.subnet)}` as InterfaceAddress;
  }

  releaseAddress(poolId: string, address: IpAddress): void {
    const leases = this.#subnets.get(poolId);
    const lease = leases?.leaseAt(address);
    if (leases === undefined || lease === undefined) {
      return;
    }
    this.#unconfirmed.delete(leaseKey(poolId, address));
    if (lease.use === "reserved") {
      leases.delete(address);
      this.#store.deleteLease(poolId, address);
    } else if (lease.releasedAtMs === undefined) {
      this.#put(leases, { ...lease, releasedAtMs: this.#nowMs() });
    }
  }

  #requestSubnet(subnet: Prefix, range: Prefix | undefined): PoolReply {
    if (range !== undefined && !isInside(range, subnet)) {
      throw notInSubnet(`range ${range}`, subnet);
    }
    for (const { pool } of this.#subnetPools()) {
      if (!prefixesOverlap(pool.subnet, subnet)) {
        continue;
      }
      if (!this.#unconfirmed.has(pool.id)) {
        throw poolOverlaps(subnet, pool.subnet);
      }
      if (pool.subnet === subnet && pool.range === range) {
        this.#unconfirmed.delete(pool.id);
        return { poolId: pool.id, subnet };
      }
      this.#log.warn("gave up an address pool that the engine has forgotten", { subnet: pool.subnet });
      this.releasePool(pool.id);
    }
    const pool: SubnetPool = {
      kind: "subnet",
      id: newPoolId(subnet),
      subnet,
      ...(range === undefined ? {} : { range }),
    };
    this.#store.putPool(pool);
    this.#remember(pool, []);
    return { poolId: pool.id, subnet };
  }

  #choose(leases: SubnetLeases, { name, mac, isGateway }: AddressRequest): IpAddress {
    if (!isGateway) {
      this.#giveUpForgotten(leases);
    }
    const holder = name ?? mac;
    const address = leases.choose(holder, this.#nowMs());
    if (address === undefined) {
      throw noAddressLeft(leases.pool.range ?? leases.pool.subnet);
    }
    const use = isGateway ? "reserved" : "container";
    this.#put(leases, { poolId: leases.pool.id, address, use, ...(holder === undefined ? {} : { holder }) });
    return address;
  }

  #claim(leases: SubnetLeases, address: IpAddress, isGateway: boolean): IpAddress {
    const { id, subnet } = leases.pool;
    if (!isUsable(subnet, address)) {
      throw notInSubnet(`address ${address}`, subnet);
    }
    const isReplay = this.#unconfirmed.delete(leaseKey(id, address));
    if (leases.isHeld(address)) {
      if (!isReplay) {
        throw addressTaken(address, subnet);
      }
      return address;
    }
    // Addresses that the user keeps free are asked for in the same words as a container's.
    this.#put(leases, { poolId: id, address, use: isGateway ? "reserved" : "container" });
    return address;
  }

  /** A container's first free choice after a restart: all that the engine believes in has been asked for by then. */
  #giveUpForgotten(leases: SubnetLeases): void {
    for (const { poolId, address } of leases.held()) {
      if (this.#unconfirmed.has(leaseKey(poolId, address)) && !this.#registry.hasAddress(address)) {
        this.#log.warn("took back an address that the engine has forgotten", { address });
        this.releaseAddress(poolId, address);
      }
    }
  }

  #put(leases: SubnetLeases, lease: Lease): void {
    this.#store.putLease(lease);
    leases.put(lease);
  }

  #remember(pool: AddressPool, leases: readonly Lease[]): void {
    if (pool.kind === "shared") {
      this.#shared.remember(pool);
    } else {
      this.#subnets.set(pool.id, new SubnetLeases(pool, leases));
    }
  }

  #forget(id: string): void {
    this.#shared.forget(id);
    for (const { address } of this.#subnets.get(id)?.held() ?? []) {
      this.#unconfirmed.delete(leaseKey(id, address));
    }
    this.#subnets.delete(id);
    this.#unconfirmed.delete(id);
  }

  #subnetPools(): { readonly pool: SubnetPool; readonly leases: SubnetLeases }[] {
    return [...this.#subnets.values()].map((leases) => ({ pool: leases.pool, leases }));
  }
}

function isInside(range: Prefix, subnet: Prefix): boolean {
  const isSmaller = prefixLengthOf(range) >= prefixLengthOf(subnet);
  return isSmaller && prefixContains(subnet, hostOf(range));
}

function leaseKey(poolId: string, address: IpAddress): string {
  return `${poolId} ${address}`;
}
