import type { Logger } from "../log.ts";
import type { IpAddress } from "../model/ip.ts";
import type { Lease, LeaseUse, SubnetPool } from "../model/pool.ts";
import type { PoolStorePort } from "../store/port.ts";
import type { Registry } from "../store/registry.ts";
import type { AddressRequest } from "./ipam.ts";
import { type Offer, SubnetLeases } from "./subnet-leases.ts";

export interface LeaseBookParts {
  readonly store: PoolStorePort;
  /** Who uses which address, as the network driver knows it. */
  readonly registry: Registry;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Undefined: all that the pool's own record says. */
  readonly offerOf: (pool: SubnetPool) => (() => Offer) | undefined;
}

/** Pools with a subnet and their leases in memory, written through to the store first. */
export class LeaseBook {
  readonly nowMs: () => number;
  readonly #parts: LeaseBookParts;
  readonly #subnets = new Map<string, SubnetLeases>();
  /** Pools and "pool address" pairs that the engine has not asked for since it started. */
  readonly #unconfirmed = new Set<string>();

  constructor(parts: LeaseBookParts) {
    this.#parts = parts;
    this.nowMs = parts.nowMs;
  }

  remember(pool: SubnetPool, leases: readonly Lease[]): void {
    this.#subnets.set(pool.id, new SubnetLeases(pool, leases, this.#parts.offerOf(pool)));
  }

  forget(id: string): void {
    for (const { address } of this.#subnets.get(id)?.held() ?? []) {
      this.#unconfirmed.delete(leaseKey(id, address));
    }
    this.#subnets.delete(id);
    this.#unconfirmed.delete(id);
  }

  find(id: string): SubnetLeases | undefined {
    return this.#subnets.get(id);
  }

  all(): SubnetLeases[] {
    return [...this.#subnets.values()];
  }

  beginReplay(): void {
    this.#unconfirmed.clear();
    for (const leases of this.#subnets.values()) {
      this.#unconfirmed.add(leases.pool.id);
      for (const { address } of leases.held()) {
        this.#unconfirmed.add(leaseKey(leases.pool.id, address));
      }
    }
  }

  isUnconfirmed(id: string): boolean {
    return this.#unconfirmed.has(id);
  }

  confirm(id: string): void {
    this.#unconfirmed.delete(id);
  }

  /** True: the engine repeats what it had before its restart. */
  confirmLease(id: string, address: IpAddress): boolean {
    return this.#unconfirmed.delete(leaseKey(id, address));
  }

  /** Any that is offered. Undefined: there is none. */
  pick(leases: SubnetLeases, { name, mac, isGateway }: AddressRequest): IpAddress | undefined {
    if (!isGateway) {
      this.#giveUpForgotten(leases);
    }
    const holder = name ?? mac;
    const address = leases.choose(holder, this.nowMs());
    if (address !== undefined) {
      this.take(leases, address, isGateway ? "reserved" : "container", holder === undefined ? {} : { holder });
    }
    return address;
  }

  take(
    leases: SubnetLeases,
    address: IpAddress,
    use: LeaseUse,
    more: Pick<Lease, "holder" | "borrowedFrom"> = {},
  ): void {
    this.#put(leases, { poolId: leases.pool.id, address, use, ...more });
  }

  release(poolId: string, address: IpAddress): void {
    const leases = this.#subnets.get(poolId);
    const lease = leases?.leaseAt(address);
    if (leases === undefined || lease === undefined) {
      return;
    }
    this.#unconfirmed.delete(leaseKey(poolId, address));
    if (lease.use === "reserved") {
      this.drop(leases, address);
    } else if (lease.releasedAtMs === undefined) {
      this.#put(leases, { ...lease, releasedAtMs: this.nowMs() });
    }
  }

  /** As if nobody had ever had it. */
  drop(leases: SubnetLeases, address: IpAddress): void {
    this.#parts.store.deleteLease(leases.pool.id, address);
    leases.delete(address);
  }

  /** A container's first free choice after a restart: all that the engine believes in has been asked for by then. */
  #giveUpForgotten(leases: SubnetLeases): void {
    for (const { poolId, address } of leases.held()) {
      if (this.#unconfirmed.has(leaseKey(poolId, address)) && !this.#parts.registry.hasAddress(address)) {
        this.#parts.log.warn("took back an address that the engine has forgotten", { address });
        this.release(poolId, address);
      }
    }
  }

  #put(leases: SubnetLeases, lease: Lease): void {
    this.#parts.store.putLease(lease);
    leases.put(lease);
  }
}

function leaseKey(poolId: string, address: IpAddress): string {
  return `${poolId} ${address}`;
}
