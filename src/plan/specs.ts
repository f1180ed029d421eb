/** Kernel objects as wishes: what the planner asks for and the kernel adapters make true. */
import type { Protocol } from "../model/endpoint.ts";
import type { IfName, Mac } from "../model/ids.ts";
import type { InterfaceAddress, IpAddress, Prefix } from "../model/ip.ts";

export interface BridgeSpec {
  readonly name: IfName;
  readonly mac: Mac;
  readonly mtu: number;
  /** Ownership mark, kept by the kernel as IFLA_IFALIAS. */
  readonly alias: string;
  /** Host addresses on the bridge; IPv6 ones are added without duplicate address detection. */
  readonly addresses: readonly InterfaceAddress[];
  /** False: IPv6 is switched off on the bridge (CVE-2024-32473). */
  readonly ipv6: boolean;
}

export interface VethSpec {
  readonly host: IfName;
  readonly sandbox: IfName;
  readonly bridge: IfName;
  readonly sandboxMac: Mac;
  readonly mtu: number;
  readonly alias: string;
  /** IFLA_GROUP of the host side. */
  readonly group: number;
  /** Isolated ports reach the bridge itself, never each other; not even with what was translated on the bridge. */
  readonly isolated: boolean;
}

/** A usable address of the host: not tentative, not deprecated, of global scope. */
export interface HostAddress {
  readonly address: IpAddress;
  readonly device: string;
}

/** A pair without a bridge: its host side is the container's next hop. */
export interface NextHopLinkSpec {
  readonly host: IfName;
  readonly sandbox: IfName;
  readonly sandboxMac: Mac;
  readonly mtu: number;
  readonly alias: string;
  /** IFLA_GROUP of the host side. */
  readonly group: number;
  /** Addresses of the host side, one per family; link-local. */
  readonly gateways: readonly IpAddress[];
  /** Addresses that lead into the pair, one per family. */
  readonly targets: readonly IpAddress[];
  /** Metrics of the routes to targets that are the container's own; absent: they stand in for the host's address. */
  readonly flatMetrics?: readonly number[];
}

/** A route of ours on the host. Routing daemons announce it, or not, by its metric. */
export interface RouteSpec {
  readonly destination: Prefix;
  readonly metric: number;
  /** Absent: whatever has no longer route is unreachable, and says so to the sender. */
  readonly device?: IfName;
}

/** Settings inside a sandbox whose next hop is the host. */
export interface FurnishSpec {
  /** The address is the host's as well, so that the sandbox's own look-up for it must come after ours. */
  readonly sharesAddress: boolean;
  /** Host side of the pair; its link-layer address is the gateway's. */
  readonly hostIf: IfName;
  /** Path of the sandbox's network namespace. */
  readonly sandboxKey: string;
  /** Link-layer address by which the interface is found, as it may have any name. */
  readonly mac: Mac;
  /** Routing table inside the sandbox; each network of a container has its own. */
  readonly table: number;
  /** Per family: the container's address, which shall cover nothing but itself, and the way to the host. */
  readonly routes: readonly { readonly address: IpAddress; readonly gateway: IpAddress }[];
  /** IFLA_IFALIAS of the interface inside; "" for none. */
  readonly note: string;
}

/** One published port: all `addresses` at the same number, out of first..last (0..0: the kernel picks). */
export interface PortClaim {
  readonly protocol: Protocol;
  readonly addresses: readonly IpAddress[];
  readonly first: number;
  readonly last: number;
  /** Number to try first; default `first`. The search goes on from there and round. */
  readonly start?: number;
}

/** Flows to forget: all of a container address, or all to a host port. */
export type FlowFilter =
  | { readonly kind: "address"; readonly address: IpAddress }
  | {
      readonly kind: "hostPort";
      readonly protocol: Protocol;
      /** Unspecified: any address of the family. */
      readonly address: IpAddress;
      readonly first: number;
      readonly last: number;
    };
