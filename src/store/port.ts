import type { HostIdentity, OwnedBlock } from "../model/block.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { IpAddress, Prefix } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import type { AddressPool, Lease } from "../model/pool.ts";
import type { HostSetting } from "../model/setting.ts";

export interface StoredState {
  readonly networks: readonly Network[];
  readonly endpoints: readonly Endpoint[];
  readonly settings: readonly HostSetting[];
}

export interface StoredPools {
  readonly pools: readonly AddressPool[];
  readonly leases: readonly Lease[];
}

/** Durable intent. When a method returns, the change survives a power cut. */
export interface StorePort {
  load(): StoredState;
  putNetwork(network: Network): void;
  putEndpoint(endpoint: Endpoint): void;
  putSetting(setting: HostSetting): void;
  /** Removes the network and its endpoints. An unknown id is fine. */
  deleteNetwork(id: NetworkId): void;
  /** An unknown id is fine. */
  deleteEndpoint(id: EndpointId): void;
  close(): void;
}

/** Durable address management, with the same promise. */
export interface PoolStorePort {
  loadPools(): StoredPools;
  putPool(pool: AddressPool): void;
  /** Removes the pool and its leases. An unknown id is fine. */
  deletePool(id: string): void;
  putLease(lease: Lease): void;
  /** An unknown lease is fine. */
  deleteLease(poolId: string, address: IpAddress): void;
}

/** Durable knowledge of what is this host's among several, with the same promise. */
export interface BlockStorePort {
  loadBlocks(): readonly OwnedBlock[];
  putBlock(block: OwnedBlock): void;
  /** An unknown block is fine. */
  deleteBlock(block: Prefix): void;
  loadIdentity(): HostIdentity | undefined;
  putIdentity(identity: HostIdentity): void;
}
