/** rtnetlink messages for links and addresses (rtnetlink(7)). Links are addressed by name wherever the kernel can. */
import type { Mac } from "../../model/ids.ts";
import { type Family, familyOf, hostOf, type InterfaceAddress, prefixLengthOf, toBytes } from "../../model/ip.ts";
import {
  attribute,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nested,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from "../netlink/message.ts";
import * as rt from "./constants.ts";

/** Bridge without spanning tree and multicast snooping: nothing delays or filters the first packets. */
export function createBridge(bridge: { name: string; mac: Mac; group: number }): Buffer {
  const data = [
    u32Attribute(rt.IFLA_BR_FORWARD_DELAY, 0),
    u32Attribute(rt.IFLA_BR_STP_STATE, 0),
    u8Attribute(rt.IFLA_BR_MCAST_SNOOPING, 0),
  ];
  return newLink([
    textAttribute(rt.IFLA_IFNAME, bridge.name),
    macAttribute(bridge.mac),
    u32Attribute(rt.IFLA_GROUP, bridge.group),
    linkInfo("bridge", data),
  ]);
}

export interface VethEnd {
  readonly name: string;
  readonly mac: Mac;
}

/** @param veth.bridgeIndex Bridge that the first end is in from the beginning; absent: none. */
export function createVeth(veth: {
  host: VethEnd;
  sandbox: VethEnd;
  mtu: number;
  group: number;
  bridgeIndex?: number;
}): Buffer {
  const mtu = u32Attribute(rt.IFLA_MTU, veth.mtu);
  const peer = [linkHeader(), textAttribute(rt.IFLA_IFNAME, veth.sandbox.name), macAttribute(veth.sandbox.mac), mtu];
  return newLink([
    textAttribute(rt.IFLA_IFNAME, veth.host.name),
    macAttribute(veth.host.mac),
    mtu,
    u32Attribute(rt.IFLA_GROUP, veth.group),
    ...(veth.bridgeIndex === undefined ? [] : [u32Attribute(rt.IFLA_MASTER, veth.bridgeIndex)]),
    linkInfo("veth", [nested(rt.VETH_INFO_PEER, peer)]),
  ]);
}

/**
 * Puts an existing bridge port into service. As RTM_NEWLINK, because only that takes port settings for a link that is
 * addressed by name; the kernel applies them before it sets the link up, and refuses a link that is no bridge port.
 */
export function activatePort(port: { name: string; alias: string; isolated: boolean; ipv6: boolean }): Buffer {
  const settings = [u8Attribute(rt.IFLA_BRPORT_MODE, 1), u8Attribute(rt.IFLA_BRPORT_ISOLATED, port.isolated ? 1 : 0)];
  return message(rt.RTM_NEWLINK, NLM_F_ACK, linkHeader({ up: true }), [
    textAttribute(rt.IFLA_IFNAME, port.name),
    textAttribute(rt.IFLA_IFALIAS, port.alias),
    nested(rt.IFLA_LINKINFO, [
      attribute(rt.IFLA_INFO_SLAVE_KIND, Buffer.from("bridge")),
      nested(rt.IFLA_INFO_SLAVE_DATA, settings),
    ]),
    ...(port.ipv6 ? [withoutLinkLocal()] : []),
  ]);
}

/**
 * All settings of a bridge that creation does not take or an older one may have different.
 * @param bridge.mac Absent when it is right: setting even the same address makes the kernel forget all neighbours.
 */
export function configureBridge(bridge: {
  index: number;
  mac?: Mac;
  mtu: number;
  group: number;
  alias: string;
}): Buffer {
  const devconf = nested(rt.IFLA_INET_CONF, [u32Attribute(rt.IPV4_DEVCONF_ROUTE_LOCALNET, 1)]);
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ index: bridge.index }), [
    ...(bridge.mac === undefined ? [] : [macAttribute(bridge.mac)]),
    u32Attribute(rt.IFLA_MTU, bridge.mtu),
    u32Attribute(rt.IFLA_GROUP, bridge.group),
    textAttribute(rt.IFLA_IFALIAS, bridge.alias),
    nested(rt.IFLA_AF_SPEC, [nested(rt.AF_INET, [devconf])]),
  ]);
}

export function setLinkUp(index: number): Buffer {
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ index, up: true }), []);
}

export function setLinkGroup(name: string, group: number): Buffer {
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader(), [
    textAttribute(rt.IFLA_IFNAME, name),
    u32Attribute(rt.IFLA_GROUP, group),
  ]);
}

export function deleteLink(name: string): Buffer {
  return message(rt.RTM_DELLINK, NLM_F_ACK, linkHeader(), [textAttribute(rt.IFLA_IFNAME, name)]);
}

export function setLinkMaster(name: string, bridgeIndex: number): Buffer {
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader(), [
    textAttribute(rt.IFLA_IFNAME, name),
    u32Attribute(rt.IFLA_MASTER, bridgeIndex),
  ]);
}

/** Deletes every link of the group at once. */
export function deleteLinkGroup(group: number): Buffer {
  return message(rt.RTM_DELLINK, NLM_F_ACK, linkHeader(), [u32Attribute(rt.IFLA_GROUP, group)]);
}

/** Request for one link, by name or index. */
export function getLink(link: string | number): Buffer {
  const [index, name] = typeof link === "number" ? [link, []] : [0, [textAttribute(rt.IFLA_IFNAME, link)]];
  return message(rt.RTM_GETLINK, NLM_F_ACK, linkHeader({ index }), [...name, withoutStatistics()]);
}

export function dumpLinks(): Buffer {
  return message(rt.RTM_GETLINK, NLM_F_DUMP, linkHeader(), [withoutStatistics()]);
}

/**
 * Host side of a pair without a bridge. accept_local lets ARP requests in that come from the host's own address, as the
 * container has it; route_localnet lets the host's loopback be translated to the container.
 */
export function activateNextHop(link: { index: number; alias: string; ipv6: boolean }): Buffer {
  const devconf = nested(rt.IFLA_INET_CONF, [
    u32Attribute(rt.IPV4_DEVCONF_RP_FILTER, 0),
    u32Attribute(rt.IPV4_DEVCONF_ACCEPT_LOCAL, 1),
    u32Attribute(rt.IPV4_DEVCONF_ROUTE_LOCALNET, 1),
  ]);
  const mode = u8Attribute(rt.IFLA_INET6_ADDR_GEN_MODE, rt.IN6_ADDR_GEN_MODE_NONE);
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ index: link.index, up: true }), [
    textAttribute(rt.IFLA_IFALIAS, link.alias),
    nested(rt.IFLA_AF_SPEC, [nested(rt.AF_INET, [devconf]), ...(link.ipv6 ? [nested(rt.AF_INET6, [mode])] : [])]),
  ]);
}

/** Host side of a pair whose container has an address of its own. What it may send as, the packet filter says. */
export function activateFlat(link: { index: number; alias: string; ipv6: boolean }): Buffer {
  const mode = u8Attribute(rt.IFLA_INET6_ADDR_GEN_MODE, rt.IN6_ADDR_GEN_MODE_NONE);
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ index: link.index, up: true }), [
    textAttribute(rt.IFLA_IFALIAS, link.alias),
    ...(link.ipv6 ? [nested(rt.IFLA_AF_SPEC, [nested(rt.AF_INET6, [mode])])] : []),
  ]);
}

/** The kernel drops the link's routes with it. */
export function setLinkDown(name: string): Buffer {
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ down: true }), [textAttribute(rt.IFLA_IFNAME, name)]);
}

/** Settings of an interface inside a sandbox that has an address of the host. */
export function configureFurnished(link: { index: number; group: number; note: string }): Buffer {
  const devconf = nested(rt.IFLA_INET_CONF, [
    u32Attribute(rt.IPV4_DEVCONF_RP_FILTER, 0),
    u32Attribute(rt.IPV4_DEVCONF_ACCEPT_LOCAL, 1),
  ]);
  return message(rt.RTM_SETLINK, NLM_F_ACK, linkHeader({ index: link.index }), [
    u32Attribute(rt.IFLA_GROUP, link.group),
    textAttribute(rt.IFLA_IFALIAS, link.note),
    nested(rt.IFLA_AF_SPEC, [nested(rt.AF_INET, [devconf])]),
  ]);
}

/** IPv6 without duplicate address detection: the address is ours alone, and detection takes a second. */
export function addAddress(index: number, address: InterfaceAddress): Buffer {
  return addressMessage(rt.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
}

/** An address that means something on this link only, so that the host never calls strangers from it. */
export function addLinkAddress(index: number, address: InterfaceAddress): Buffer {
  return addressMessage(rt.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, rt.RT_SCOPE_LINK);
}

export function deleteAddress(index: number, address: InterfaceAddress): Buffer {
  return addressMessage(rt.RTM_DELADDR, 0, index, address);
}

export function dumpAddresses(): Buffer {
  return message(rt.RTM_GETADDR, NLM_F_DUMP, Buffer.alloc(8), []);
}

function addressMessage(
  type: number,
  flags: number,
  index: number,
  address: InterfaceAddress,
  scope = rt.RT_SCOPE_UNIVERSE,
): Buffer {
  const isIpv4 = familyOf(address) === "ipv4";
  const length = prefixLengthOf(address);
  const bytes = toBytes(hostOf(address));
  const header = Buffer.alloc(8);
  header.writeUInt8(isIpv4 ? rt.AF_INET : rt.AF_INET6, 0);
  header.writeUInt8(length, 1);
  header.writeUInt8(scope, 3);
  header.writeUInt32LE(index, 4);
  const attributes = [attribute(rt.IFA_LOCAL, bytes), attribute(rt.IFA_ADDRESS, bytes)];
  if (!isIpv4) {
    attributes.push(u32Attribute(rt.IFA_FLAGS, rt.IFA_F_NODAD));
  } else if (length < 31) {
    attributes.push(attribute(rt.IFA_BROADCAST, broadcast(bytes, length)));
  }
  return message(type, NLM_F_ACK | flags, header, attributes);
}

/** RFC 919: all host bits set. Prefixes of 31 and 32 bits have none (RFC 3021). */
function broadcast(address: Buffer, prefixLength: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((address.readUInt32BE() | (0xffff_ffff >>> prefixLength)) >>> 0);
  return bytes;
}

function newLink(attributes: readonly Buffer[]): Buffer {
  return message(rt.RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHeader(), attributes);
}

/** struct ifinfomsg: family, padding, type, index, flags, mask of the flags to change. */
function linkHeader(link: { index?: number; up?: boolean; down?: boolean } = {}): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(link.index ?? 0, 4);
  if (link.up === true) {
    header.writeUInt32LE(rt.IFF_UP, 8);
    header.writeUInt32LE(rt.IFF_UP, 12);
  }
  if (link.down === true) {
    header.writeUInt32LE(rt.IFF_UP, 12);
  }
  return header;
}

function linkInfo(kind: string, data: readonly Buffer[]): Buffer {
  return nested(rt.IFLA_LINKINFO, [attribute(rt.IFLA_INFO_KIND, Buffer.from(kind)), nested(rt.IFLA_INFO_DATA, data)]);
}

function macAttribute(mac: Mac): Buffer {
  return attribute(rt.IFLA_ADDRESS, macBytes(mac));
}

export function macBytes(mac: Mac): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

export function addressFamily(family: Family): number {
  return family === "ipv4" ? rt.AF_INET : rt.AF_INET6;
}

/** A bridge port is no IPv6 node: the kernel shall give it no link-local address. */
function withoutLinkLocal(): Buffer {
  const mode = u8Attribute(rt.IFLA_INET6_ADDR_GEN_MODE, rt.IN6_ADDR_GEN_MODE_NONE);
  return nested(rt.IFLA_AF_SPEC, [nested(rt.AF_INET6, [mode])]);
}

function withoutStatistics(): Buffer {
  return u32Attribute(rt.IFLA_EXT_MASK, rt.RTEXT_FILTER_SKIP_STATS);
}
