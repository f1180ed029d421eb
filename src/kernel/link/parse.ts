/** What the kernel says about links, addresses and routes, out of whole netlink messages (header included). */
import { fromBytes, type InterfaceAddress, type IpAddress, type Prefix } from "../../model/ip.ts";
import { NLMSG_HEADER_BYTES, parseAttributes, readText } from "../netlink/message.ts";
import * as rt from "./constants.ts";

export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  /** Lower-case pairs with colons; "" for a link without one. */
  readonly mac: string;
  readonly mtu: number;
  readonly group: number;
  /** "" when it has none. */
  readonly alias: string;
  /** "bridge", "veth", …; "" for hardware. */
  readonly kind: string;
  /** Of a veth pair: the other end is in this namespace too. */
  readonly peerIsHome: boolean;
  readonly isUp: boolean;
}

export interface AddressInfo {
  readonly linkIndex: number;
  readonly address: InterfaceAddress;
  /** RT_SCOPE_*. */
  readonly scope: number;
  /** IFA_F_*. */
  readonly flags: number;
  /** IPv4: not the first of its subnet. IPv6: temporary (RFC 8981). */
  readonly isSecondary: boolean;
}

/** One next hop of a route of the main table. */
export interface RouteInfo {
  readonly destination?: Prefix;
  readonly linkIndex: number;
  readonly onLink: boolean;
  readonly priority: number;
  /** RTPROT_*: who made it. */
  readonly protocol: number;
}

/** A route of the main table, as far as it can be ours. */
export interface OwnRouteInfo {
  readonly destination: Prefix;
  readonly priority: number;
  /** Absent: unreachable. */
  readonly linkIndex?: number;
}

const LINK_HEADER_BYTES = 16;
const ADDRESS_HEADER_BYTES = 8;
const ROUTE_HEADER_BYTES = 12;
const NEXT_HOP_BYTES = 8;

/** A link has half a hundred of them. */
const linkAttributes = new Set([
  rt.IFLA_IFNAME,
  rt.IFLA_ADDRESS,
  rt.IFLA_MTU,
  rt.IFLA_GROUP,
  rt.IFLA_IFALIAS,
  rt.IFLA_LINKINFO,
  rt.IFLA_LINK_NETNSID,
]);

export function parseLink(message: Buffer): LinkInfo {
  const payload = message.subarray(NLMSG_HEADER_BYTES);
  const attributes = parseAttributes(payload.subarray(LINK_HEADER_BYTES), linkAttributes);
  const info = parseAttributes(attributes.get(rt.IFLA_LINKINFO) ?? Buffer.alloc(0));
  return {
    index: payload.readInt32LE(4),
    name: text(attributes.get(rt.IFLA_IFNAME)),
    mac: (attributes.get(rt.IFLA_ADDRESS)?.toString("hex") ?? "").replace(/..(?!$)/g, "$&:"),
    mtu: u32(attributes.get(rt.IFLA_MTU)),
    group: u32(attributes.get(rt.IFLA_GROUP)),
    alias: text(attributes.get(rt.IFLA_IFALIAS)),
    kind: text(info.get(rt.IFLA_INFO_KIND)),
    isUp: (payload.readUInt32LE(8) & rt.IFF_UP) !== 0,
    peerIsHome: text(info.get(rt.IFLA_INFO_KIND)) === "veth" && !attributes.has(rt.IFLA_LINK_NETNSID),
  };
}

/**
 * Name of the link that an event says is gone; undefined for every other event. A port that leaves its bridge
 * (AF_BRIDGE) stays, and one that moved to another namespace (it has IFLA_NEW_NETNSID) may come back.
 */
export function parseLinkGone(type: number, payload: Buffer): string | undefined {
  if (type !== rt.RTM_DELLINK || payload.readUInt8(0) !== rt.AF_UNSPEC) {
    return undefined;
  }
  const attributes = parseAttributes(payload.subarray(LINK_HEADER_BYTES));
  const name = text(attributes.get(rt.IFLA_IFNAME));
  return name === "" || attributes.has(rt.IFLA_NEW_NETNSID) ? undefined : name;
}

/** Name of a veth end that an event says has a carrier: its peer is up as well. */
export function parseCarrier(type: number, payload: Buffer): string | undefined {
  if (type !== rt.RTM_NEWLINK || payload.readUInt8(0) !== rt.AF_UNSPEC) {
    return undefined;
  }
  const attributes = parseAttributes(payload.subarray(LINK_HEADER_BYTES));
  const info = parseAttributes(attributes.get(rt.IFLA_LINKINFO) ?? Buffer.alloc(0));
  const hasCarrier = (payload.readUInt32LE(8) & rt.IFF_LOWER_UP) !== 0;
  return hasCarrier && text(info.get(rt.IFLA_INFO_KIND)) === "veth" ? text(attributes.get(rt.IFLA_IFNAME)) : undefined;
}

export function isAddressEvent(type: number): boolean {
  return type === rt.RTM_NEWADDR || type === rt.RTM_DELADDR;
}

export function parseAddress(message: Buffer): AddressInfo | undefined {
  const payload = message.subarray(NLMSG_HEADER_BYTES);
  const attributes = parseAttributes(payload.subarray(ADDRESS_HEADER_BYTES));
  // With a peer, IFA_ADDRESS is the peer's (include/uapi/linux/if_addr.h).
  const bytes = attributes.get(rt.IFA_LOCAL) ?? attributes.get(rt.IFA_ADDRESS);
  if (bytes === undefined) {
    return undefined;
  }
  const address = `${fromBytes(bytes)}/${payload.readUInt8(1)}` as InterfaceAddress;
  // The header has room for eight flags; the attribute has them all (include/uapi/linux/if_addr.h).
  const flags = attributes.has(rt.IFA_FLAGS) ? u32(attributes.get(rt.IFA_FLAGS)) : payload.readUInt8(2);
  const isSecondary = (flags & rt.IFA_F_SECONDARY) !== 0;
  return { linkIndex: payload.readUInt32LE(4), address, scope: payload.readUInt8(3), flags, isSecondary };
}

/** By the header alone: whatever table it is of. */
export function isDefaultRoute(message: Buffer): boolean {
  return message.readUInt8(NLMSG_HEADER_BYTES + 1) === 0;
}

/** The next hops of a unicast route of the main table; none for every other route. */
export function parseRoute(message: Buffer): readonly RouteInfo[] {
  const payload = message.subarray(NLMSG_HEADER_BYTES);
  const attributes = parseAttributes(payload.subarray(ROUTE_HEADER_BYTES));
  const table = attributes.get(rt.RTA_TABLE)?.readUInt32LE() ?? payload.readUInt8(4);
  const isCloned = (payload.readUInt32LE(8) & rt.RTM_F_CLONED) !== 0;
  if (table !== rt.RT_TABLE_MAIN || payload.readUInt8(7) !== rt.RTN_UNICAST || isCloned) {
    return [];
  }
  const destination = destinationOf(payload.readUInt8(1), attributes);
  const common = {
    ...(destination && { destination }),
    priority: u32(attributes.get(rt.RTA_PRIORITY)),
    protocol: payload.readUInt8(5),
  };
  const output = attributes.get(rt.RTA_OIF);
  const hops =
    output === undefined ? parseNextHops(attributes.get(rt.RTA_MULTIPATH)) : [[u32(output), attributes] as const];
  return hops.map(([linkIndex, hop]) => ({
    ...common,
    linkIndex,
    onLink: !hop.has(rt.RTA_GATEWAY) && !hop.has(rt.RTA_VIA),
  }));
}

/** A route with our protocol number in the main table, without a next hop; undefined for every other one. */
export function parseOwnRoute(message: Buffer): OwnRouteInfo | undefined {
  const payload = message.subarray(NLMSG_HEADER_BYTES);
  if (payload.readUInt8(5) !== rt.RTPROT_FAIRWAY) {
    return undefined;
  }
  const attributes = parseAttributes(payload.subarray(ROUTE_HEADER_BYTES));
  const table = attributes.get(rt.RTA_TABLE)?.readUInt32LE() ?? payload.readUInt8(4);
  const destination = destinationOf(payload.readUInt8(1), attributes);
  const type = payload.readUInt8(7);
  if (table !== rt.RT_TABLE_MAIN || destination === undefined || attributes.has(rt.RTA_GATEWAY)) {
    return undefined;
  }
  const priority = u32(attributes.get(rt.RTA_PRIORITY));
  if (type === rt.RTN_UNREACHABLE) {
    return { destination, priority };
  }
  return type === rt.RTN_UNICAST ? { destination, priority, linkIndex: u32(attributes.get(rt.RTA_OIF)) } : undefined;
}

function destinationOf(length: number, attributes: ReadonlyMap<number, Buffer>): Prefix | undefined {
  const bytes = attributes.get(rt.RTA_DST);
  if (bytes === undefined || length === 0) {
    return undefined;
  }
  const address: IpAddress = fromBytes(bytes);
  return `${address}/${length}` as Prefix;
}

/** struct rtnexthop: length, flags, hops, interface index; then attributes. */
function parseNextHops(bytes: Buffer | undefined): (readonly [number, ReadonlyMap<number, Buffer>])[] {
  const hops: (readonly [number, ReadonlyMap<number, Buffer>])[] = [];
  for (let at = 0; bytes !== undefined && at + NEXT_HOP_BYTES <= bytes.length; ) {
    const length = Math.max(bytes.readUInt16LE(at), NEXT_HOP_BYTES);
    const attributes = parseAttributes(bytes.subarray(at + NEXT_HOP_BYTES, at + length));
    hops.push([bytes.readInt32LE(at + 4), attributes]);
    at += (length + 3) & ~3;
  }
  return hops;
}

function text(value: Buffer | undefined): string {
  return value === undefined ? "" : readText(value);
}

function u32(value: Buffer | undefined): number {
  return value === undefined || value.length < 4 ? 0 : value.readUInt32LE();
}

/** For people: 'a bridge with the alias "uplink"', "a hardware interface". */
export function describeLink(link: LinkInfo): string {
  const noun = link.kind === "" ? "a hardware interface" : `a ${link.kind} interface`;
  return link.alias === "" ? noun : `${noun} with the alias ${JSON.stringify(link.alias)}`;
}
