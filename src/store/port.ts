import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { Network } from "../model/network.ts";

export interface StoredState {
  readonly networks: readonly Network[];
  readonly endpoints: readonly Endpoint[];
}

/** Durable intent. When a method returns, the change survives a power cut. */
export interface StorePort {
  load(): StoredState;
  putNetwork(network: Network): void;
  putEndpoint(endpoint: Endpoint): void;
  /** Removes the network and its endpoints. An unknown id is fine. */
  deleteNetwork(id: NetworkId): void;
  /** An unknown id is fine. */
  deleteEndpoint(id: EndpointId): void;
  close(): void;
}
