import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { hostOf, type InterfaceAddress, type IpAddress, type Prefix } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import type { HostSetting } from "../model/setting.ts";
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
  /** Networks whose containers have the host as their next hop, by their gateways. */
  readonly #byGateway = new Map<IpAddress, NetworkId>();
  readonly #standIns = new Map<number, EndpointId>();
  readonly #settings = new Map<string, HostSetting>();
  /** Endpoints by what else they are looked up by, see keysOf. */
  readonly #byKey = new Map<string, Set<EndpointId>>();

  constructor(store: StorePort) {
    this.#store = store;
    const { networks, endpoints, settings } = store.load();
    for (const network of networks) {
      this.#rememberNetwork(network);
    }
    for (const endpoint of endpoints) {
      this.#rememberEndpoint(endpoint);
    }
    for (const setting of settings) {
      this.#settings.set(setting.name, setting);
    }
  }

  network(id: NetworkId): Network | undefined {
    return this.#networks.get(id);
  }

  /** The network that has this link-local gateway for itself. */
  networkAt(gateway: IpAddress): Network | undefined {
    const id = this.#byGateway.get(gateway);
    return id === undefined ? undefined : this.#networks.get(id);
  }

  /** The network that has exactly this subnet. */
  networkIn(subnet: Prefix): Network | undefined {
    return this.networks().find(({ ipv4, ipv6 }) => [...ipv4, ...ipv6].some((pool) => pool.subnet === subnet));
  }

  /** Does an endpoint of any network have it? */
  hasAddress(address: IpAddress): boolean {
    return this.#byKey.has(hostAddressKey(address));
  }

  /** Keeps the first free number from `seed` on for this endpoint, until it is recorded or given back. */
  reserveStandIn(id: EndpointId, seed: number, count: number): number {
    let number = seed;
    while (this.#standIns.has(number)) {
      number = (number % (count - 1)) + 1;
    }
    this.#standIns.set(number, id);
    return number;
  }

  /** For a reservation that has come to nothing. */
  releaseStandIn(id: EndpointId, number: number): void {
    if (this.#standIns.get(number) === id && this.#endpoints.get(id)?.standIn !== number) {
      this.#standIns.delete(number);
    }
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
  endpointsAt(id: NetworkId, addresses: readonly (InterfaceAddress | undefined)[]): Endpoint[] {
    const found = addresses
      .filter((address) => address !== undefined)
      .flatMap((address) => this.#find(addressKey(id, address)));
    return [...new Set(found)];
  }

  /** Endpoints of one sandbox, which are one container's. */
  endpointsIn(sandboxKey: string): Endpoint[] {
    return this.#find(sandboxKeyOf(sandboxKey));
  }

  endpointBehind(hostIf: string): Endpoint | undefined {
    return this.#find(hostIfKey(hostIf))[0];
  }

  /** What was ever changed; the host may have been started again since. */
  settings(): HostSetting[] {
    return [...this.#settings.values()];
  }

  putSetting(setting: HostSetting): void {
    this.#store.putSetting(setting);
    this.#settings.set(setting.name, setting);
  }

  putNetwork(network: Network): void {
    this.#store.putNetwork(network);
    this.#rememberNetwork(network);
  }

  putEndpoint(endpoint: Endpoint): void {
    this.#store.putEndpoint(endpoint);
    this.#rememberEndpoint(endpoint);
  }

  /** For a record that says less than before: it is so in memory even when the store fails and throws. */
  reduceEndpoint(endpoint: Endpoint): void {
    try {
      this.#store.putEndpoint(endpoint);
    } finally {
      this.#rememberEndpoint(endpoint);
    }
  }

  /** Forgets the network and every endpoint of it, even when the store fails and throws. */
  deleteNetwork(id: NetworkId): void {
    try {
      this.#store.deleteNetwork(id);
    } finally {
      for (const endpoint of this.endpointsOf(id)) {
        this.#forgetEndpoint(endpoint);
      }
      const network = this.#networks.get(id);
      this.#byNetwork.delete(id);
      this.#networks.delete(id);
      for (const gateway of gatewaysOf(network)) {
        this.#passOn(gateway);
      }
    }
  }

  deleteEndpoint(id: EndpointId): void {
    try {
      this.#store.deleteEndpoint(id);
    } finally {
      const endpoint = this.#endpoints.get(id);
      if (endpoint !== undefined) {
        this.#forgetEndpoint(endpoint);
      }
    }
  }

  #find(key: string): Endpoint[] {
    return [...(this.#byKey.get(key) ?? [])]
      .map((id) => this.#endpoints.get(id))
      .filter((endpoint) => endpoint !== undefined);
  }

  /** A record that a failing disk kept may have the gateway of a network that came after it. */
  #passOn(gateway: IpAddress): void {
    const heir = this.networks().find((network) => gatewaysOf(network).includes(gateway));
    if (heir === undefined) {
      this.#byGateway.delete(gateway);
    } else {
      this.#byGateway.set(gateway, heir.id);
    }
  }

  #rememberNetwork(network: Network): void {
    this.#networks.set(network.id, network);
    for (const gateway of gatewaysOf(network)) {
      this.#byGateway.set(gateway, network.id);
    }
    if (!this.#byNetwork.has(network.id)) {
      this.#byNetwork.set(network.id, new Set());
    }
  }

  #rememberEndpoint(endpoint: Endpoint): void {
    const before = this.#endpoints.get(endpoint.id);
    if (before !== undefined) {
      this.#forgetKeys(before);
    }
    this.#endpoints.set(endpoint.id, endpoint);
    if (endpoint.standIn !== undefined) {
      this.#standIns.set(endpoint.standIn, endpoint.id);
    }
    this.#byNetwork.get(endpoint.networkId)?.add(endpoint.id);
    for (const key of keysOf(endpoint)) {
      const ids = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, ids.add(endpoint.id));
    }
  }

  #forgetEndpoint(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint.id);
    this.#byNetwork.get(endpoint.networkId)?.delete(endpoint.id);
    this.#forgetKeys(endpoint);
  }

  #forgetKeys(endpoint: Endpoint): void {
    if (endpoint.standIn !== undefined) {
      this.#standIns.delete(endpoint.standIn);
    }
    for (const key of keysOf(endpoint)) {
      const ids = this.#byKey.get(key);
      ids?.delete(endpoint.id);
      if (ids?.size === 0) {
        this.#byKey.delete(key);
      }
    }
  }
}

function gatewaysOf(network: Network | undefined): IpAddress[] {
  return network === undefined || network.mode === "bridge" ? [] : [network.gatewayIpv4, network.gatewayIpv6];
}

function keysOf(endpoint: Endpoint): string[] {
  const { networkId, ipv4, ipv6, sandboxKey, hostIf } = endpoint;
  return [
    ...[ipv4, ipv6]
      .filter((address) => address !== undefined)
      .flatMap((address) => [addressKey(networkId, address), hostAddressKey(hostOf(address))]),
    ...(sandboxKey === undefined ? [] : [sandboxKeyOf(sandboxKey)]),
    hostIfKey(hostIf),
  ];
}

function addressKey(networkId: NetworkId, address: InterfaceAddress): string {
  return `address ${networkId} ${address}`;
}

function hostAddressKey(address: IpAddress): string {
  return `address ${address}`;
}

function sandboxKeyOf(sandboxKey: string): string {
  return `sandbox ${sandboxKey}`;
}

function hostIfKey(hostIf: string): string {
  return `link ${hostIf}`;
}
