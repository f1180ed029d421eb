import type { IpAddress, Prefix } from "./ip.ts";

/** A part of a subnet that several hosts share: its addresses are handed out by this host alone. */
export interface OwnedBlock {
  readonly subnet: Prefix;
  readonly block: Prefix;
  /** The host's when it claimed the block; a block of an older one has to be looked at again. */
  readonly epoch: number;
  /** returning: nothing is handed out of it any more, and the others do not know yet. */
  readonly state: "owned" | "returning";
  /** Part that other hosts may take from, and so not this one. */
  readonly offered?: Prefix;
  /** Addresses that other hosts have. */
  readonly lent?: readonly IpAddress[];
}

/** When this host last agreed with the store about its blocks, by every clock that it has. */
export interface Contact {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** Milliseconds since the host was started, which `bootId` tells from another start. */
  readonly uptimeMs: number;
  readonly bootId: string;
}

/** What a host is to the others. */
export interface HostIdentity {
  /** A random UUID: names of hosts change, and are given twice. */
  readonly hostId: string;
  /** Goes up when the others give this host's blocks away. */
  readonly epoch: number;
  readonly contact?: Contact;
  /** The latest that the wall clock ever showed, in milliseconds since 1970. */
  readonly seenWallMs: number;
}

/**
 * Whose an address is, as far as this host is concerned. own: of a block of this host, or of a subnet that is not divided;
 * borrowed: lent to this host alone; lost: its block was given to another host while a container here has it.
 */
export type AddressStanding = "own" | "borrowed" | "lost";
