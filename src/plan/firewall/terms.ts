/** What the chains say of either family, and how they know our interfaces. */
import type { Family, Prefix } from "../../model/ip.ts";
import { flatLinkGroup, linkGroup, linkGroups } from "../names.ts";
import type { NftMatch, NftRule, NftType } from "../ruleset.ts";
import { standInPrefixes } from "../stand-in.ts";

export interface FamilyTerms {
  readonly family: Family;
  readonly digit: "4" | "6";
  readonly address: NftType;
  readonly saddr: "ip saddr" | "ip6 saddr";
  readonly daddr: "ip daddr" | "ip6 daddr";
  readonly loopback: string;
  /** Where the stand-in addresses of containers that share the host's are. */
  readonly standIns: Prefix;
  /** Sources of neighbour discovery (RFC 4861): they never leave the link. */
  readonly unmoved: readonly string[];
}

export const families: readonly FamilyTerms[] = [
  {
    family: "ipv4",
    digit: "4",
    address: "ipv4_addr",
    saddr: "ip saddr",
    daddr: "ip daddr",
    loopback: "127.0.0.0/8",
    standIns: standInPrefixes.ipv4,
    unmoved: [],
  },
  {
    family: "ipv6",
    digit: "6",
    address: "ipv6_addr",
    saddr: "ip6 saddr",
    daddr: "ip6 daddr",
    loopback: "::1/128",
    standIns: standInPrefixes.ipv6,
    unmoved: ["fe80::/10", "::/128"],
  },
];

/** One comparison each; a look-up in a set of names costs as much as ten. */
const ours = { group: linkGroups.value, mask: linkGroups.mask };
export const fromOurs: NftMatch = { select: "iifgroup", ...ours };
export const fromOthers: NftMatch = { select: "iifgroup", ...ours, negate: true };
export const toOurs: NftMatch = { select: "oifgroup", group: linkGroups.value, mask: linkGroups.mask };
export const fromBridge: NftMatch = { select: "iifgroup", group: linkGroup };
export const toBridge: NftMatch = { select: "oifgroup", group: linkGroup };
export const fromFlat: NftMatch = { select: "iifgroup", group: flatLinkGroup };
/** Only from there is a source known to be true, see guard. */
export const fromElsewhere: NftMatch = { select: "iifgroup", group: flatLinkGroup, negate: true };
export const notFromBridge: NftMatch = { select: "iifgroup", group: linkGroup, negate: true };
export const toFlat: NftMatch = { select: "oifgroup", group: flatLinkGroup };
/** Base chains see every packet of the host: what is not ours leaves them at once. */
export const unlessFromOurs: NftRule = { match: [fromOthers], action: { verdict: "return" } };

export const answered: NftMatch = { ctState: ["established", "related"] };
export const published: NftMatch = { ctStatus: "dnat" };
