/** Kernel objects as wishes: what the planner asks for and the kernel adapters make true. */
import type { Protocol } from "../model/endpoint.ts";
import type { IfName, Mac } from "../model/ids.ts";
import type { InterfaceAddress, IpAddress } from "../model/ip.ts";

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

/** One published port: all `addresses` at the same number, out of first..last (0..0: the kernel picks). */
export interface PortClaim {
  readonly protocol: Protocol;
  readonly addresses: readonly IpAddress[];
  readonly first: number;
  readonly last: number;
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
