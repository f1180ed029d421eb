import type { InterfaceAddress, IpAddress, Prefix } from "../model/ip.ts";
import { addressBits, familyOf, wholeAddress } from "../model/ip.ts";
import type { HostNetwork } from "../model/network.ts";
import type { SharedPool } from "../model/pool.ts";
import { freeGateway, isOwnGateway } from "../plan/gateways.ts";
import type { PoolStorePort } from "../store/port.ts";
import type { Registry } from "../store/registry.ts";
import type { AddressRequest, PoolReply, PoolRequest } from "./ipam.ts";
import { newPoolId } from "./pool-id.ts";
import { noNetworkShares, noSharedGateway, notInSubnet } from "./refusals.ts";

/** A pool that names no subnet: the host's own address, whichever that is. */
const anyPrefix = { ipv4: "0.0.0.0/0" as Prefix, ipv6: "::/0" as Prefix };

/** Pools of networks that share the host's address: every container gets the same, and there is nothing to keep. */
export class SharedPools {
  readonly #store: PoolStorePort;
  readonly #registry: Registry;
  readonly #pools = new Map<string, SharedPool>();
  readonly #byGateway = new Map<IpAddress, string>();
  /** Pools that the engine has not asked for since it started. */
  readonly #unconfirmed = new Set<string>();

  constructor(store: PoolStorePort, registry: Registry) {
    this.#store = store;
    this.#registry = registry;
  }

  remember(pool: SharedPool): void {
    this.#pools.set(pool.id, pool);
    this.#byGateway.set(pool.gateway, pool.id);
  }

  forget(id: string): void {
    const pool = this.#pools.get(id);
    if (pool !== undefined) {
      this.#byGateway.delete(pool.gateway);
    }
    this.#pools.delete(id);
    this.#unconfirmed.delete(id);
  }

  find(id: string): SharedPool | undefined {
    return this.#pools.get(id);
  }

  beginReplay(): void {
    this.#unconfirmed.clear();
    for (const id of this.#pools.keys()) {
      this.#unconfirmed.add(id);
    }
  }

  /**
   * A gateway of its own is what a network of mode host is known by: the engine hands it to the network driver, which is
   * told nothing else about the pool.
   */
  request({ subnet, range, ipv6 }: PoolRequest): PoolReply {
    if (range !== undefined) {
      throw notInSubnet(`range ${range}`, subnet ?? "the host's own address");
    }
    const family = ipv6 || (subnet !== undefined && familyOf(subnet) === "ipv6") ? "ipv6" : "ipv4";
    const isTaken = (one: IpAddress) => this.#byGateway.has(one) || this.#registry.networkAt(one) !== undefined;
    const gateway = freeGateway(family, isTaken);
    if (gateway === undefined) {
      throw noSharedGateway();
    }
    const pool: SharedPool = { kind: "shared", id: newPoolId("host"), family, gateway };
    this.#store.putPool(pool);
    this.remember(pool);
    return { poolId: pool.id, subnet: subnet ?? anyPrefix[family], gateway: wholeAddress(gateway) };
  }

  /** A gateway that is asked for by its number is one that the engine had from us before it was restarted. */
  requestAddress(pool: SharedPool, { address, isGateway }: AddressRequest): InterfaceAddress {
    if (isGateway) {
      return wholeAddress(address === undefined ? pool.gateway : this.#takeOver(pool, address));
    }
    if (address === undefined) {
      this.#giveUpForgotten();
    }
    const network = this.#registry.networkAt(pool.gateway);
    const shared = network?.mode === "host" ? sharedAddress(network, pool) : undefined;
    if (shared === undefined) {
      throw noNetworkShares(pool.family, network !== undefined);
    }
    if (address !== undefined && address !== shared) {
      throw notInSubnet(`address ${address}`, `${shared}/${addressBits(pool.family)}`);
    }
    return wholeAddress(shared);
  }

  #takeOver(pool: SharedPool, gateway: IpAddress): IpAddress {
    const holder = this.#byGateway.get(gateway);
    if (!isOwnGateway(gateway) || (holder !== undefined && holder !== pool.id && !this.#unconfirmed.has(holder))) {
      throw noSharedGateway(gateway);
    }
    if (holder !== undefined && holder !== pool.id) {
      this.#release(holder);
    }
    this.forget(pool.id);
    const moved: SharedPool = { ...pool, gateway };
    this.#store.putPool(moved);
    this.remember(moved);
    return gateway;
  }

  /** A container's first free choice after a restart: all that the engine believes in has been asked for by then. */
  #giveUpForgotten(): void {
    for (const { id, gateway } of this.#pools.values()) {
      if (this.#unconfirmed.has(id) && this.#registry.networkAt(gateway) === undefined) {
        this.#release(id);
      }
    }
  }

  #release(id: string): void {
    this.forget(id);
    this.#store.deletePool(id);
  }
}

function sharedAddress(network: HostNetwork, { family }: SharedPool): IpAddress | undefined {
  return family === "ipv4" ? network.sharedIpv4 : network.sharedIpv6;
}
