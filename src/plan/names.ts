/**
 * Everything that the kernel or another administrator can see by name or number, in one place. A restarted daemon
 * without memory recognises its objects by these marks alone.
 */
import type { EndpointId, IfName, NetworkId } from "../model/ids.ts";
import { type IpAddress, toBigInt } from "../model/ip.ts";

/**
 * Link groups (IFLA_GROUP) of our interfaces: set at creation, so that no moment exists without a mark. All of them agree
 * in the bits of the mask, so that the packet filter knows ours from others by one comparison.
 */
export const linkGroups = { mask: 0xffff_fff0, value: 0xfa10 } as const;
/** Bridges, and host sides of pairs that lead to them. */
export const linkGroup = 0xfa17;
/** Host sides of pairs without a bridge, whose containers share the host's address. */
export const shareLinkGroup = 0xfa1a;
/** Host sides of pairs without a bridge, whose containers have flat addresses. */
export const flatLinkGroup = 0xfa1b;
/** Link group of the host sides of endpoints whose network keeps its containers apart (icc=false). */
export const isolatedLinkGroup = 0xfa19;
/** Link group that means "to be deleted"; the reaper deletes it as a whole. */
export const reapGroup = 0xfa18;
/** Bit of the packet mark: this packet of a network with icc=false goes to a published port, or comes from one. */
export const publishedMarkBit = 0x0800_0000;
/** Bit of the packet mark: our table has judged this packet and lets it pass the engine's own packet filter. */
export const admittedMarkBit = 0x0400_0000;
/** Our nftables tables have this name, in the families inet and bridge. */
export const tableName = "fairway";
/** Chain that we own inside the engine's own packet filter. */
export const engineChain = "FAIRWAY-FORWARD";
/** Prefix of IFLA_IFALIAS on every link of ours. */
export const aliasPrefix = "fairway:";

/** Route protocol (rtm_protocol) of every route of ours. iproute2's list of names has none for it. */
export const routeProtocol = 143;

/**
 * Metrics of our routes to flat addresses. A routing daemon announces what has the first one (FRR cannot see the protocol
 * number of a route, so the metric is the contract); the second one is for what this host alone must know.
 */
export const routeMetrics = { announced: 9900, local: 9910 } as const;

/**
 * nftables priorities. Ours come shortly before the well-known ones (nft(8), "standard priority names"), so that
 * rules at -300, -150 and -200 of the administrator see packets first and the engine's see what we leave.
 */
export const priorities = {
  /** Behind the administrator's raw rules (-300) and before connection tracking (-200). */
  guard: -290,
  dstnat: -105,
  /** Of the family inet, behind every translation of destinations. */
  translated: -95,
  filter: -10,
  /** Of the family bridge, whose "filter" is -200. */
  bridgeFilter: -210,
  srcnat: 95,
  /** Behind every translation of sources (100). */
  real: 150,
} as const;

/**
 * Routing table inside a sandbox for one of its networks that share the host's address. The container may have tables of
 * its own; numbers this high are rarely anybody's.
 * @param gateway the network's own, so that two networks of one container have different tables
 */
export function sandboxTable(gateway: IpAddress): number {
  return 0x00fa_0000 + Number(toBigInt(gateway) & 0xffffn);
}

/** Preferences of the rules inside such a sandbox (ip-rule(8)); the kernel's own begin with 0 and end with 32767. */
export const sandboxRulePreferences = { toOther: 0, toHost: 1, local: 10, mainFromHost: 20, fromHost: 21 } as const;

// 12 characters are what `docker network ls` prints, so that an id there and a link here can be matched by eye.
const idCharacters = 12;

export function bridgeName(id: NetworkId): IfName {
  return `fwb${id.slice(0, idCharacters)}` as IfName;
}

/** Host side of an endpoint's veth pair. */
export function hostIfName(id: EndpointId): IfName {
  return `fwv${id.slice(0, idCharacters)}` as IfName;
}

/** Container side, until the engine renames it. */
export function sandboxIfName(id: EndpointId): IfName {
  return `fwc${id.slice(0, idCharacters)}` as IfName;
}

export function networkAlias(id: NetworkId): string {
  return `${aliasPrefix}network:${id}`;
}

export function endpointAlias(id: EndpointId, networkId: NetworkId): string {
  return `${aliasPrefix}endpoint:${id}:${networkId}`;
}
