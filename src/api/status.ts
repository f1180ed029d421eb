/** What `fairway status` shows, as versioned data. */
import type { Endpoint, Publication } from "../model/endpoint.ts";
import { hostOf } from "../model/ip.ts";
import type { BridgeNetwork, HostNetwork, Network, RoutedNetwork } from "../model/network.ts";
import type { HostSetting } from "../model/setting.ts";

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
  readonly mtuBytes: number;
  readonly internal: boolean;
  /** Of mode bridge. */
  readonly bridge?: string;
  /** Of modes bridge and routed. */
  readonly icc?: boolean;
  readonly masquerade?: boolean;
  readonly subnets: readonly string[];
  /** Of mode host: the host's addresses that containers share, and what leads to them. */
  readonly shared?: readonly string[];
  readonly parent?: string;
  /** Of modes host and routed: next hops of the containers. */
  readonly gateways?: readonly string[];
  /** Of mode routed. */
  readonly reachable?: RoutedNetwork["reachable"];
  readonly announce?: RoutedNetwork["announce"];
  readonly egressNat?: boolean;
  readonly claim?: string;
  readonly endpoints: readonly EndpointStatus[];
}

/** A setting of the host that fairway changed and that has that value still; by the name that sysctl(8) takes. */
export type SettingStatus = Pick<HostSetting, "name" | "was" | "now">;

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
  readonly settings: readonly SettingStatus[];
  readonly networks: readonly NetworkStatus[];
}

/** @param read as the sysctl port does. */
export function settingsInForce(
  changes: readonly HostSetting[],
  read: (path: readonly string[]) => string | undefined,
): SettingStatus[] {
  const inForce = changes.filter(({ path, now }) => read(path) === now);
  return inForce.map(({ name, was, now }) => ({ name, was, now }));
}

export function networkStatus(network: Network, endpoints: readonly Endpoint[], names: NameSource): NetworkStatus {
  return {
    id: network.id,
    ...optional("name", names.networkName(network.id)),
    mode: network.mode,
    mtuBytes: network.mtu,
    internal: network.internal,
    ...modeStatus(network),
    subnets: [...network.ipv4, ...network.ipv6].map(({ subnet }) => subnet),
    endpoints: endpoints.map((endpoint) => endpointStatus(endpoint, names)),
  };
}

function modeStatus(network: Network): Partial<NetworkStatus> {
  switch (network.mode) {
    case "bridge":
      return bridgeStatus(network);
    case "host":
      return hostStatus(network);
    default:
      return routedStatus(network);
  }
}

function routedStatus(network: RoutedNetwork): Partial<NetworkStatus> {
  const { gatewayIpv4, gatewayIpv6, icc, reachable, announce, egressNat } = network;
  return { gateways: [gatewayIpv4, gatewayIpv6], icc, reachable, announce, egressNat };
}

function bridgeStatus({ bridge, icc, masquerade }: BridgeNetwork): Partial<NetworkStatus> {
  return { bridge, icc, masquerade };
}

function hostStatus(network: HostNetwork): Partial<NetworkStatus> {
  return {
    shared: [network.sharedIpv4, network.sharedIpv6].filter((address) => address !== undefined),
    ...optional("parent", network.parent),
    gateways: [network.gatewayIpv4, network.gatewayIpv6],
    claim: network.claim,
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
    ports: [...(endpoint.claims ?? []), ...endpoint.publications],
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}
