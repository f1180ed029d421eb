/** rtnetlink messages for routes, rules and neighbours (rtnetlink(7)). */
import type { Mac } from "../../model/ids.ts";
import {
  addressBits,
  type Family,
  familyOf,
  hostOf,
  type IpAddress,
  type Prefix,
  prefixLengthOf,
  toBytes,
} from "../../model/ip.ts";
import {
  attribute,
  message,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  textAttribute,
  u32Attribute,
} from "../netlink/message.ts";
import { addressFamily, macBytes } from "./codec.ts";
import * as rt from "./constants.ts";

export interface RouteTo {
  readonly destination: IpAddress | Family;
  readonly gateway: IpAddress;
  readonly index: number;
  readonly table?: number;
}

/**
 * Route to one host, or the default route of a family, by a next hop that needs no route of its own. Our protocol number
 * marks it; an equal one is replaced.
 */
export function addRoute({ destination, gateway, index, table = rt.RT_TABLE_MAIN }: RouteTo): Buffer {
  const family = familyOf(gateway);
  const isDefault = destination === "ipv4" || destination === "ipv6";
  const header = Buffer.alloc(12);
  header.writeUInt8(addressFamily(family), 0);
  header.writeUInt8(isDefault ? 0 : addressBits(family), 1);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(rt.RTPROT_FAIRWAY, 5);
  header.writeUInt8(rt.RT_SCOPE_UNIVERSE, 6);
  header.writeUInt8(rt.RTN_UNICAST, 7);
  header.writeUInt32LE(rt.RTNH_F_ONLINK, 8);
  return message(rt.RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header, [
    ...(isDefault ? [] : [attribute(rt.RTA_DST, toBytes(destination as IpAddress))]),
    attribute(rt.RTA_GATEWAY, toBytes(gateway)),
    u32Attribute(rt.RTA_OIF, index),
    u32Attribute(rt.RTA_TABLE, table),
  ]);
}

export interface FlatRoute {
  readonly destination: Prefix;
  readonly metric: number;
  /** Interface that it leads to; absent: unreachable. */
  readonly index?: number;
}

/** A route with our protocol number. EEXIST: there is one for this destination with this metric, whoever made it. */
export function addFlatRoute(route: FlatRoute): Buffer {
  return flatRouteMessage(rt.RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
}

/** Deletes nothing that lacks our protocol number. */
export function deleteFlatRoute(route: FlatRoute): Buffer {
  return flatRouteMessage(rt.RTM_DELROUTE, 0, route);
}

function flatRouteMessage(type: number, flags: number, { destination, metric, index }: FlatRoute): Buffer {
  const family = familyOf(destination);
  const header = Buffer.alloc(12);
  header.writeUInt8(addressFamily(family), 0);
  header.writeUInt8(prefixLengthOf(destination), 1);
  header.writeUInt8(rt.RT_TABLE_MAIN, 4);
  header.writeUInt8(rt.RTPROT_FAIRWAY, 5);
  // Not of the link's: then the host would speak to the container, in ICMP errors too, from its link-local address
  // (fib_info_update_nhc_saddr() in net/ipv4/fib_semantics.c).
  header.writeUInt8(rt.RT_SCOPE_UNIVERSE, 6);
  header.writeUInt8(index === undefined ? rt.RTN_UNREACHABLE : rt.RTN_UNICAST, 7);
  return message(type, NLM_F_ACK | flags, header, [
    attribute(rt.RTA_DST, toBytes(hostOf(destination))),
    u32Attribute(rt.RTA_PRIORITY, metric),
    ...(index === undefined ? [] : [u32Attribute(rt.RTA_OIF, index)]),
  ]);
}

/** A neighbour that is never asked for, nor forgotten. */
export function addNeighbour(neighbour: { address: IpAddress; mac: Mac; index: number }): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(addressFamily(familyOf(neighbour.address)), 0);
  header.writeUInt32LE(neighbour.index, 4);
  header.writeUInt16LE(rt.NUD_PERMANENT, 8);
  return message(rt.RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header, [
    attribute(rt.NDA_DST, toBytes(neighbour.address)),
    attribute(rt.NDA_LLADDR, macBytes(neighbour.mac)),
  ]);
}

export interface RuleTo {
  readonly family: Family;
  readonly preference: number;
  readonly table: number;
  readonly from?: IpAddress;
  readonly to?: IpAddress;
  /** "lo": what this namespace itself sends. */
  readonly input?: string;
  /** What the table says counts only if it leads to an interface outside this link group. */
  readonly exceptGroup?: number;
}

export function addRule(rule: RuleTo): Buffer {
  return ruleMessage(rt.RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}

export function deleteRule(rule: RuleTo): Buffer {
  return ruleMessage(rt.RTM_DELRULE, 0, rule);
}

/** struct fib_rule_hdr in include/uapi/linux/fib_rules.h. */
function ruleMessage(type: number, flags: number, rule: RuleTo): Buffer {
  const { family, preference, table, from, to, input, exceptGroup } = rule;
  const bits = addressBits(family);
  const header = Buffer.alloc(12);
  header.writeUInt8(addressFamily(family), 0);
  header.writeUInt8(to === undefined ? 0 : bits, 1);
  header.writeUInt8(from === undefined ? 0 : bits, 2);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(rt.FR_ACT_TO_TBL, 7);
  return message(type, NLM_F_ACK | flags, header, [
    ...(to === undefined ? [] : [attribute(rt.FRA_DST, toBytes(to))]),
    ...(from === undefined ? [] : [attribute(rt.FRA_SRC, toBytes(from))]),
    ...(input === undefined ? [] : [textAttribute(rt.FRA_IIFNAME, input)]),
    u32Attribute(rt.FRA_PRIORITY, preference),
    ...(exceptGroup === undefined ? [] : [u32Attribute(rt.FRA_SUPPRESS_IFGROUP, exceptGroup)]),
    u32Attribute(rt.FRA_TABLE, table),
  ]);
}

/** Behind the kernel's own route for ::1 on lo, which has metric 0. */
const loopbackRouteMetric = 2048;

/**
 * Lets packets for ::1 in from this link. An answer to the host's ::1 is translated back when it has arrived on the
 * bridge, and the look-up for it considers routes of that device only; IPv6 has no route_localnet. Real packets for ::1
 * are dropped before any look-up (net/ipv6/ip6_input.c, RFC 4291 section 2.5.3).
 */
export function addLoopbackRoute(index: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(rt.AF_INET6, 0);
  header.writeUInt8(128, 1);
  header.writeUInt8(rt.RT_TABLE_LOCAL, 4);
  header.writeUInt8(rt.RTPROT_STATIC, 5);
  header.writeUInt8(rt.RTN_LOCAL, 7);
  // Beside those of other links; the same one twice is EEXIST all the same (fib6_add_rt2node() in net/ipv6/ip6_fib.c).
  return message(rt.RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, header, [
    attribute(rt.RTA_DST, toBytes("::1" as IpAddress)),
    u32Attribute(rt.RTA_OIF, index),
    u32Attribute(rt.RTA_PRIORITY, loopbackRouteMetric),
  ]);
}

export function dumpRoutes(family: "ipv4" | "ipv6"): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === "ipv4" ? rt.AF_INET : rt.AF_INET6);
  return message(rt.RTM_GETROUTE, NLM_F_DUMP, header, []);
}
