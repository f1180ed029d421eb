import type { IfName, Mac, NetworkId } from "./ids.ts";
import type { InterfaceAddress, IpAddress, Prefix } from "./ip.ts";

/** A subnet of a network, with the address that the host holds in it. */
export interface Pool {
  readonly subnet: Prefix;
  /** Host address on the bridge; absent when the engine assigned none. */
  readonly gateway?: InterfaceAddress;
}

/** creating, deleting: recorded, and under way; whoever finds it after a crash takes it away. */
export type NetworkState = "creating" | "ready" | "deleting";

interface NetworkBase {
  readonly id: NetworkId;
  readonly state: NetworkState;
  /** No way out or in: no gateway, no published ports. */
  readonly internal: boolean;
  readonly ipv4: readonly Pool[];
  readonly ipv6: readonly Pool[];
  /** Name prefix of the interface inside the sandbox; the engine appends a number. */
  readonly ifNamePrefix: string;
  readonly mtu: number;
}

/** Linux bridge, subnet, masquerade, published ports. */
export interface BridgeNetwork extends NetworkBase {
  readonly mode: "bridge";
  readonly bridge: IfName;
  readonly bridgeMac: Mac;
  /** Inter-container communication: may containers of this network reach each other directly? */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Source address of outbound traffic instead of the uplink's. */
  readonly snatIpv4?: IpAddress;
  readonly snatIpv6?: IpAddress;
  /** Host addresses where ports are published that name none. Empty: all. */
  readonly publishAddresses: readonly IpAddress[];
}

/** Which ports of a container are the host's ports of the same number. */
export type ClaimKind = "exposed" | "published";

/** The host's own address for every container, from a namespace of its own. */
export interface HostNetwork extends NetworkBase {
  readonly mode: "host";
  /** Next hops of the containers, on the host's side of each pair. No two networks have the same ones. */
  readonly gatewayIpv4: IpAddress;
  readonly gatewayIpv6: IpAddress;
  /** Interface whose addresses are shared; absent: the one with the default route. */
  readonly parent?: IfName;
  /** Addresses that the user chose. Empty: the first ones of the interface, whatever they become. */
  readonly hostAddresses: readonly IpAddress[];
  readonly claim: ClaimKind;
  /** Where ports that name no number are taken from. */
  readonly dynamicPorts: PortRange;
  /** The shared addresses as last seen on the host. */
  readonly sharedIpv4?: IpAddress;
  readonly sharedIpv6?: IpAddress;
  /** While endpoints are being moved from these addresses to the shared ones. */
  readonly moving?: FormerAddresses;
}

export interface FormerAddresses {
  readonly sharedIpv4?: IpAddress;
  readonly sharedIpv6?: IpAddress;
}

/** Which ports of a container others than its network's own reach: what `-p` says, or all. */
export type ReachableKind = "published" | "all";

/**
 * What a routing daemon is offered: blocks of addresses, each container's address, each address whose container is
 * healthy, or nothing.
 */
export type AnnounceKind = "block" | "address" | "healthy" | "none";

/** Flat addresses: each container has one of its own, by a host route, without a bridge and without translation. */
export interface RoutedNetwork extends NetworkBase {
  readonly mode: "routed";
  /** Next hops of the containers, on the host's side of each pair. No two networks have the same ones. */
  readonly gatewayIpv4: IpAddress;
  readonly gatewayIpv6: IpAddress;
  /** Inter-container communication: may containers of this network reach every port of each other? */
  readonly icc: boolean;
  readonly reachable: ReachableKind;
  readonly announce: AnnounceKind;
  /** Outbound traffic that leaves the flat space carries an address of the host. */
  readonly egressNat: boolean;
  /** Destinations that see the container's own address all the same. */
  readonly flatSpace: readonly Prefix[];
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** One variant per mode; `mode` discriminates. */
export type Network = BridgeNetwork | HostNetwork | RoutedNetwork;
