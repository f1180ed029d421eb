import type { Family, IpAddress, Prefix } from "./ip.ts";

/** Address space of our IPAM driver; a network shows by it who assigned its addresses. */
export const localAddressSpace = "fairway";

/** Addresses of a subnet, handed out one to a container. */
export interface SubnetPool {
  readonly kind: "subnet";
  readonly id: string;
  readonly subnet: Prefix;
  /** Part of the subnet that containers get addresses from; absent: all of it. */
  readonly range?: Prefix;
  /** How several hosts divide the subnet; absent: all of it is this host's. */
  readonly division?: Division;
}

/** fixed: this host has the one block, by configuration. cluster: hosts claim blocks of this length. */
export type Division =
  | { readonly kind: "fixed"; readonly block: Prefix }
  | { readonly kind: "cluster"; readonly blockLength: number; readonly borrow: boolean };

/** The host's own address, the same for every container. Its gateway tells which network it belongs to. */
export interface SharedPool {
  readonly kind: "shared";
  readonly id: string;
  readonly family: Family;
  readonly gateway: IpAddress;
}

export type AddressPool = SubnetPool | SharedPool;

/** reserved: a gateway, or an address that the user keeps free. */
export type LeaseUse = "container" | "reserved";

/** An address of a subnet that is somebody's, or was and rests. */
export interface Lease {
  readonly poolId: string;
  readonly address: IpAddress;
  readonly use: LeaseUse;
  /** Name or MAC address of the container, where the engine told it: it gets the same address again. */
  readonly holder?: string;
  /** Another host's block that it is borrowed from. */
  readonly borrowedFrom?: Prefix;
  /** Milliseconds since 1970; absent while it is held. */
  readonly releasedAtMs?: number;
}
