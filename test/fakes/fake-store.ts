import type { HostIdentity, OwnedBlock } from "../../src/model/block.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import type { EndpointId, NetworkId } from "../../src/model/ids.ts";
import type { IpAddress, Prefix } from "../../src/model/ip.ts";
import type { Network } from "../../src/model/network.ts";
import type { AddressPool, Lease } from "../../src/model/pool.ts";
import type { HostSetting } from "../../src/model/setting.ts";
import type { BlockStorePort, PoolStorePort, StoredPools, StoredState, StorePort } from "../../src/store/port.ts";
import {
  parseBlockRecord,
  parseEndpointRecord,
  parseIdentityRecord,
  parseLeaseRecord,
  parseNetworkRecord,
  parsePoolRecord,
  parseSettingRecord,
} from "../../src/store/records.ts";
import { type FakeProcess, throughProcess } from "./fake-process.ts";

/** The same text for the same content, in whatever order its keys came. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    const isObject = typeof part === "object" && part !== null && !Array.isArray(part);
    return isObject ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part;
  });
}

/** The disk of one host. Keeps text, as a real one does, and the reference from endpoint to network. */
export class FakeStore implements StorePort, PoolStorePort, BlockStorePort {
  readonly #blocks = new Map<Prefix, string>();
  #identity: string | undefined;
  readonly #pools = new Map<string, string>();
  readonly #leases = new Map<string, { readonly poolId: string; readonly json: string }>();
  readonly #networks = new Map<NetworkId, string>();
  readonly #settings = new Map<string, string>();
  readonly #endpoints = new Map<EndpointId, { readonly networkId: NetworkId; readonly json: string }>();

  /** The disk as this process sees it: writes can be made to fail, or to be its last. */
  open(process: FakeProcess): StorePort {
    return throughProcess(process, "store", this as StorePort, [
      "load",
      "putNetwork",
      "putEndpoint",
      "putSetting",
      "deleteNetwork",
      "deleteEndpoint",
      "close",
    ]);
  }

  /** Of what an address book needs. */
  openPools(process: FakeProcess): PoolStorePort & BlockStorePort {
    return throughProcess(process, "pools", this as PoolStorePort & BlockStorePort, [
      "loadPools",
      "putPool",
      "deletePool",
      "putLease",
      "deleteLease",
      "loadBlocks",
      "putBlock",
      "deleteBlock",
      "loadIdentity",
      "putIdentity",
    ]);
  }

  /** Parsed as the real store does, so that a record that could not be read again shows. */
  load(): StoredState {
    return {
      networks: [...this.#networks.values()].map(parseNetworkRecord),
      endpoints: [...this.#endpoints.values()].map(({ json }) => parseEndpointRecord(json)),
      settings: [...this.#settings.values()].map(parseSettingRecord),
    };
  }

  /** What is on the disk, sorted. */
  transcript(): string[] {
    const texts = [...this.#networks.values(), ...[...this.#endpoints.values()].map(({ json }) => json)];
    return texts.sort();
  }

  putNetwork(network: Network): void {
    this.#networks.set(network.id, canonicalJson(network));
  }

  putEndpoint(endpoint: Endpoint): void {
    if (!this.#networks.has(endpoint.networkId)) {
      throw new Error("FOREIGN KEY constraint failed");
    }
    this.#endpoints.set(endpoint.id, { networkId: endpoint.networkId, json: canonicalJson(endpoint) });
  }

  putSetting(setting: HostSetting): void {
    this.#settings.set(setting.name, canonicalJson(setting));
  }

  deleteNetwork(id: NetworkId): void {
    this.#networks.delete(id);
    for (const [endpointId, { networkId }] of this.#endpoints) {
      if (networkId === id) {
        this.#endpoints.delete(endpointId);
      }
    }
  }

  deleteEndpoint(id: EndpointId): void {
    this.#endpoints.delete(id);
  }

  loadPools(): StoredPools {
    return {
      pools: [...this.#pools.values()].map(parsePoolRecord),
      leases: [...this.#leases.values()].map(({ json }) => parseLeaseRecord(json)),
    };
  }

  putPool(pool: AddressPool): void {
    this.#pools.set(pool.id, canonicalJson(pool));
  }

  deletePool(id: string): void {
    this.#pools.delete(id);
    for (const [key, { poolId }] of this.#leases) {
      if (poolId === id) {
        this.#leases.delete(key);
      }
    }
  }

  putLease(lease: Lease): void {
    if (!this.#pools.has(lease.poolId)) {
      throw new Error("FOREIGN KEY constraint failed");
    }
    this.#leases.set(`${lease.poolId} ${lease.address}`, { poolId: lease.poolId, json: canonicalJson(lease) });
  }

  deleteLease(poolId: string, address: IpAddress): void {
    this.#leases.delete(`${poolId} ${address}`);
  }

  loadBlocks(): readonly OwnedBlock[] {
    return [...this.#blocks.values()].map(parseBlockRecord);
  }

  putBlock(block: OwnedBlock): void {
    this.#blocks.set(block.block, canonicalJson(block));
  }

  deleteBlock(block: Prefix): void {
    this.#blocks.delete(block);
  }

  loadIdentity(): HostIdentity | undefined {
    return this.#identity === undefined ? undefined : parseIdentityRecord(this.#identity);
  }

  putIdentity(identity: HostIdentity): void {
    this.#identity = canonicalJson(identity);
  }

  close(): void {
    // The disk stays.
  }
}
