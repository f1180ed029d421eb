import type { BlockDocument } from "../../cluster/documents.ts";
import type { ClusterStore } from "../../cluster/port.ts";
import type { Logger } from "../../log.ts";
import type { IpAddress, Prefix } from "../../model/ip.ts";
import type { BlockLedger } from "./ledger.ts";
import type { Membership } from "./membership.ts";

/** A subnet that this host divides with others. */
export interface SharedSubnet {
  readonly subnet: Prefix;
  readonly blockLength: number;
  readonly borrow: boolean;
}

/** What the address book knows about blocks. */
export interface BlockUse {
  subnets(): readonly SharedSubnet[];
  /** Addresses inside the prefix that are somebody's. */
  held(subnet: Prefix, part: Prefix): number;
  /** Those, and the ones whose rest is not over. */
  busy(subnet: Prefix, part: Prefix): number;
  /** About as many as are busy in the whole subnet; asked for each address that is handed out. */
  count(subnet: Prefix): number;
  /** Does a container of this host have this address of another host's block, or had it lately? */
  hasLoan(subnet: Prefix, address: IpAddress): boolean;
  loans(subnet: Prefix): readonly IpAddress[];
  /** It is not lent to us any more; a container may use it all the same. */
  loseLoan(subnet: Prefix, address: IpAddress): void;
}

/** Told when blocks of a subnet came, or went. What it returns is waited for before an address is answered. */
export type BlockListener = (subnet: Prefix) => Promise<void> | void;

export interface BlockParts {
  readonly cluster: ClusterStore;
  readonly membership: Membership;
  readonly ledger: BlockLedger;
  readonly log: Logger;
  readonly use: () => BlockUse;
  /** Never rejects. */
  readonly announce: BlockListener;
}

/** A block in the store with what it says. */
export interface FoundBlock {
  readonly block: Prefix;
  readonly document: BlockDocument;
}
