/** What `fairway ipam` tells, as versioned data. */
import type { Prefix } from "./ip.ts";

export interface BlockReport {
  readonly block: Prefix;
  readonly owner: string;
  readonly ownerId?: string;
  readonly own: boolean;
  /** Of own ones: how many addresses containers have, and how many there are. */
  readonly used?: number;
  readonly size: number;
  readonly offered?: Prefix;
  /** Address and the host that has it. */
  readonly lent: Readonly<Record<string, string>>;
}

export interface LeaseReport {
  readonly address: string;
  readonly state: "container" | "reserved" | "resting";
  readonly holder?: string;
  readonly borrowedFrom?: Prefix;
}

export interface PoolReport {
  readonly subnet: Prefix;
  /** alone: all of it is this host's. */
  readonly division: "alone" | "fixed" | "cluster";
  readonly range?: Prefix;
  readonly blockLength?: number;
  readonly borrow?: boolean;
  readonly blocks: readonly BlockReport[];
  readonly leases: readonly LeaseReport[];
}

export interface HostReport {
  readonly id: string;
  readonly name: string;
  readonly alive: boolean;
}

export interface IpamReport {
  readonly apiVersion: "v1";
  readonly host?: { readonly id: string; readonly name: string };
  /** Why the store could not be asked; what follows is then this host's knowledge alone. */
  readonly storeError?: string;
  readonly hosts: readonly HostReport[];
  readonly pools: readonly PoolReport[];
}

export interface IpamCheck {
  readonly apiVersion: "v1";
  /** One sentence each. */
  readonly disagreements: readonly string[];
}

export interface IpamRelease {
  readonly apiVersion: "v1";
  /** Blocks that are free now. */
  readonly released: readonly string[];
  /** Blocks that stay: others have addresses of them, or they are in use. */
  readonly kept: readonly string[];
  /** How many single addresses are free now. */
  readonly addresses: number;
}
