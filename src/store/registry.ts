import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { Network } from "../model/network.ts";
import type { StorePort } from "./port.ts";

/**
 * All records in memory, written through to the store first. Look-ups cost O(1); a record that cannot be made durable
 * does not come into being.
 */
export class Registry {
  readonly #store: StorePort;
  readonly #networks = new Map<NetworkId, Network>();
  readonly #endpoints = new Map<EndpointId, Endpoint>();
  readonly #byNetwork = new Map<NetworkId, Set<EndpointId>>();
  /** Interface address of an endpoint within its network, to find records that the engine has forgotten. */
  readonly #byAddress = new Map<string, EndpointId>();

  constructor(store: StorePort) {
    this.#store = store;
    const { networks, endpoints } = store.load();
    for (const network of networks) {
      this.#rememberNetwork(network);
    }
    for (const endpoint of endpoints) {
      this.#rememberEndpoint(endpoint);
    }
  }

  network(id: NetworkId): Network | undefined {
    return this.#networks.get(id);
  }

  endpoint(id: EndpointId): Endpoint | undefined {
    return this.#endpoints.get(id);
  }

  networks(): Network[] {
    return [...this.#networks.values()];
  }

  endpoints(): Endpoint[] {
    return [...this.#endpoints.values()];
  }

  endpointsOf(id: NetworkId): Endpoint[] {
    return [...(this.#byNetwork.get(id) ?? [])]
      .map((endpointId) => this.#endpoints.get(endpointId))
      .filter((endpoint) => endpoint !== undefined);
  }

  /** Endpoints of the network that hold one of the addresses. */
  endpointsAt(id: NetworkId, addresses: readonly (string | undefined)[]): Endpoint[] {
    const ids = new Set(addresses.map((address) => this.#byAddress.get(`${id} ${address}`)));
    return [...ids]
      .map((endpointId) => (endpointId === undefined ? undefined : this.#endpoints.get(endpointId)))
      .filter((endpoint) => endpoint !== undefined);
  }

  putNetwork(network: Network): void {
    this.#store.putNetwork(network);
    this.#rememberNetwork(network);
  }

  putEndpoint(endpoint: Endpoint): void {
    this.#store.putEndpoint(endpoint);
    this.#rememberEndpoint(endpoint);
  }

  /** Forgets the network and every endpoint of it. */
  deleteNetwork(id: NetworkId): void {
    this.#store.deleteNetwork(id);
    for (const endpoint of this.endpointsOf(id)) {
      this.#forgetEndpoint(endpoint);
    }
    this.#byNetwork.delete(id);
    this.#networks.delete(id);
  }

  deleteEndpoint(id: EndpointId): void {
    this.#store.deleteEndpoint(id);
    const endpoint = this.#endpoints.get(id);
    if (endpoint !== undefined) {
      this.#forgetEndpoint(endpoint);
    }
  }

  #rememberNetwork(network: Network): void {
    this.#networks.set(network.id, network);
    if (!this.#byNetwork.has(network.id)) {
      this.#byNetwork.set(network.id, new Set());
    }
  }

  #rememberEndpoint(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.id, endpoint);
    this.#byNetwork.get(endpoint.networkId)?.add(endpoint.id);
    for (const key of addressKeys(endpoint)) {
      this.#byAddress.set(key, endpoint.id);
    }
  }

  #forgetEndpoint(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint.id);
    this.#byNetwork.get(endpoint.networkId)?.delete(endpoint.id);
    for (const key of addressKeys(endpoint)) {
      if (this.#byAddress.get(key) === endpoint.id) {
        this.#byAddress.delete(key);
      }
    }
  }
}

function addressKeys(endpoint: Endpoint): string[] {
  return [endpoint.ipv4, endpoint.ipv6]
    .filter((address) => address !== undefined)
    .map((address) => `${endpoint.networkId} ${address}`);
}
