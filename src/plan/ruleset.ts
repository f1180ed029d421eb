/** nftables as data: what plan/firewall.ts says and what kernel/nft encodes. Nothing here knows netlink. */

export type NftFamily = "inet" | "bridge";

/** Field types of keys and data, named as nft(8) names them. */
export type NftType = "ipv4_addr" | "ipv6_addr" | "inet_proto" | "inet_service" | "ifname";

export interface NftSet {
  readonly name: string;
  readonly key: readonly NftType[];
  /** Absent: a plain set. "verdict": a verdict map. */
  readonly data?: readonly NftType[] | "verdict";
  /** Keys may be ranges. */
  readonly interval?: boolean;
}

export type NftVerdict = "accept" | "drop" | "return" | { readonly jump: string } | { readonly goto: string };

/** A key field: text ("10.0.0.1", "fwb…", "tcp"), a number (port), or a range with inclusive ends. */
export type NftScalar = string | number;
export type NftField = NftScalar | { readonly from: NftScalar; readonly to: NftScalar };

export interface NftElement {
  readonly set: string;
  readonly key: readonly NftField[];
  readonly data?: readonly NftScalar[] | NftVerdict;
}

export interface ElementChange {
  readonly add: readonly NftElement[];
  readonly remove: readonly NftElement[];
}

export interface NftHook {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
}

/** What a rule can look at. Concatenated keys are lists of these. */
export type NftSelector =
  | "iifname"
  | "oifname"
  | "ip saddr"
  | "ip daddr"
  | "ip6 saddr"
  | "ip6 daddr"
  | "l4proto"
  | "th dport"
  | "nfproto";

/**
 * Address fields that a rule can write. "quoted" ones belong to the packet that an ICMP error reports about
 * (RFC 792, RFC 4443 section 2.4).
 */
export type NftAddressField = `${"" | "quoted "}${"ip" | "ip6"} ${"saddr" | "daddr"}`;

export type NftMatch =
  | { readonly family: "ipv4" | "ipv6" }
  | { readonly ctState: readonly ("established" | "related" | "invalid" | "new")[] }
  | { readonly ctStatus: "dnat" }
  | { readonly destination: "local" }
  /** Link group of the interface (IFLA_GROUP). */
  | {
      readonly select: "iifgroup" | "oifgroup";
      readonly group: number;
      /** Bits that count; absent: all. */
      readonly mask?: number;
      /** Any other group. Does not match where the packet has no such interface. */
      readonly negate?: boolean;
    }
  /** ICMP or ICMPv6, whatever the type. */
  | { readonly icmp: "ipv4" | "ipv6" }
  /** The packet leaves through a bridge. The opposite cannot be asked: nothing matches an interface without a kind. */
  | { readonly leavesByBridge: true }
  /** The packet carries this bit in its mark. */
  | { readonly markBit: number }
  /** ICMP of this type. */
  | { readonly icmpType: number }
  /** Any ICMPv6 error: types below 128 (RFC 4443 section 2.1); or type 128 (section 4.1). */
  | { readonly icmpv6: "error" | "echo-request" }
  /** Prefix match, "127.0.0.0/8" or "::1/128". */
  | { readonly select: "ip saddr" | "ip daddr" | "ip6 saddr" | "ip6 daddr"; readonly prefix: string }
  | { readonly select: readonly NftSelector[]; readonly in: string; readonly negate?: boolean };

export type NftAction =
  | { readonly verdict: NftVerdict }
  /** Verdict taken from a verdict map. */
  | { readonly vmap: string; readonly select: readonly NftSelector[] }
  /** DNAT to the data of a map: address, or address and port. */
  | {
      readonly dnat: "ipv4" | "ipv6";
      readonly map: string;
      readonly select: readonly NftSelector[];
      readonly port: boolean;
    }
  | { readonly snat: "ipv4" | "ipv6"; readonly map: string; readonly select: readonly NftSelector[] }
  /** Writes an address into the packet itself, behind the back of connection tracking; the packet goes on. */
  | { readonly rewrite: NftAddressField; readonly map: string; readonly select: readonly NftSelector[] }
  | { readonly masquerade: true }
  /** Adds the bit to the packet's mark; the packet goes on to the next rule. */
  | { readonly setMarkBit: number };

export interface NftRule {
  readonly match: readonly NftMatch[];
  readonly action: NftAction;
  /** Counts packets and bytes. */
  readonly counter?: boolean;
}

export interface NftChain {
  readonly name: string;
  /** Absent: a chain that others jump to. */
  readonly hook?: NftHook;
  readonly rules: readonly NftRule[];
}

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly sets: readonly NftSet[];
  readonly chains: readonly NftChain[];
}

/** Our whole packet filter apart from its elements. Set names are unique over all tables. */
export interface Ruleset {
  readonly tables: readonly NftTable[];
}
