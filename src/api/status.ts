/** What `fairway status` shows, as versioned data. */
import type { Endpoint, Publication } from "../model/endpoint.ts";
import { hostOf } from "../model/ip.ts";
import type { Network } from "../model/network.ts";

export interface NameSource {
  containerOf(endpointId: Endpoint["id"]): string | undefined;
  networkName(networkId: Network["id"]): string | undefined;
}

export interface EndpointStatus {
  readonly id: string;
  readonly container?: string;
  readonly state: Endpoint["state"];
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac: string;
  readonly hostInterface: string;
  readonly ports: readonly Publication[];
}

export interface NetworkStatus {
  readonly id: string;
  readonly name?: string;
  readonly mode: Network["mode"];
  readonly bridge: string;
  readonly internal: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly mtuBytes: number;
  readonly subnets: readonly string[];
  readonly endpoints: readonly EndpointStatus[];
}

export interface DaemonStatus {
  readonly apiVersion: "v1";
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly pluginSocket: string;
  readonly stateDir: string;
  /** False until the kernel has been brought in line with the records. */
  readonly ready: boolean;
  readonly networks: readonly NetworkStatus[];
}

export function networkStatus(network: Network, endpoints: readonly Endpoint[], names: NameSource): NetworkStatus {
  return {
    id: network.id,
    ...optional("name", names.networkName(network.id)),
    mode: network.mode,
    bridge: network.bridge,
    internal: network.internal,
    icc: network.icc,
    masquerade: network.masquerade,
    mtuBytes: network.mtu,
    subnets: [...network.ipv4, ...network.ipv6].map(({ subnet }) => subnet),
    endpoints: endpoints.map((endpoint) => endpointStatus(endpoint, names)),
  };
}

function endpointStatus(endpoint: Endpoint, names: NameSource): EndpointStatus {
  return {
    id: endpoint.id,
    ...optional("container", names.containerOf(endpoint.id)),
    state: endpoint.state,
    ...optional("ipv4", endpoint.ipv4 === undefined ? undefined : hostOf(endpoint.ipv4)),
    ...optional("ipv6", endpoint.ipv6 === undefined ? undefined : hostOf(endpoint.ipv6)),
    mac: endpoint.mac,
    hostInterface: endpoint.hostIf,
    ports: endpoint.publications,
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}
