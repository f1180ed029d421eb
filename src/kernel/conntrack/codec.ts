/** Conntrack entries as netlink messages (include/uapi/linux/netfilter/nfnetlink_conntrack.h). */
import { type Family, type IpAddress, toBytes } from "../../model/ip.ts";
import {
  attribute,
  message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLMSG_HEADER_BYTES,
  nested,
  parseAttributes,
  u8Attribute,
  u16BigEndianAttribute,
  u32Attribute,
} from "../netlink/message.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const GET = NFNL_SUBSYS_CTNETLINK * 256 + 1;
const DELETE = NFNL_SUBSYS_CTNETLINK * 256 + 2;
/** AF_INET and AF_INET6. */
const familyNumbers: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 };
/** Since this version of the family header, a deletion goes by the family too. */
const FAMILY_COUNTS = 1;
const familyHeaderBytes = 4;

const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
/** CTA_FILTER_FLAG_* in net/netfilter/nf_conntrack_netlink.c: the fields of a tuple that count. */
const filterFlags = { source: 1, destination: 2, protocol: 8, destinationPort: 32 } as const;

/** Addresses as bytes in network order, 4 or 16 of them: a table has many entries, and few of them are looked at. */
export interface FlowDirection {
  readonly source: Buffer;
  readonly destination: Buffer;
  /** IP protocol number. */
  readonly protocol: number;
  /** Absent where the protocol has no ports. */
  readonly destinationPort?: number;
}

export interface Flow {
  readonly original: FlowDirection;
  readonly reply: FlowDirection;
  /** What identifies the entry to the kernel: original tuple, zone and id as they came. */
  readonly key: readonly Buffer[];
}

/**
 * What IPv4 entries to delete: those that agree in all the fields given. Ports need the protocol.
 *
 * There is no such thing for IPv6: the kernel's search takes the wrong ones, those whose address differs
 * (ctnetlink_filter_match_tuple() negates ipv6_addr_cmp(); measured with 6.18).
 */
export interface FlowPattern {
  readonly direction: "original" | "reply";
  readonly source?: IpAddress;
  readonly destination?: IpAddress;
  readonly protocol?: number;
  readonly destinationPort?: number;
}

/** Asks for all entries of a family. */
export function listFlows(family: Family): Buffer {
  return message(GET, NLM_F_DUMP, familyHeader(familyNumbers[family], 0), []);
}

/** @param reply One message of a dump with its header. @returns Undefined for what is no IPv4 or IPv6 entry. */
export function parseFlow(reply: Buffer): Flow | undefined {
  const attributes = parseAttributes(reply.subarray(NLMSG_HEADER_BYTES + familyHeaderBytes));
  const tuple = attributes.get(CTA_TUPLE_ORIG);
  const original = parseDirection(tuple);
  const answer = parseDirection(attributes.get(CTA_TUPLE_REPLY));
  if (tuple === undefined || original === undefined || answer === undefined) {
    return undefined;
  }
  const key = [nested(CTA_TUPLE_ORIG, [tuple])];
  for (const type of [CTA_ZONE, CTA_ID]) {
    const value = attributes.get(type);
    if (value !== undefined) {
      key.push(attribute(type, value));
    }
  }
  return { original, reply: answer, key };
}

/** ENOENT when the entry is gone, or its place is taken by a younger one. */
export function deleteFlow(flow: Flow): Buffer {
  const family = flow.original.source.length === 4 ? "ipv4" : "ipv6";
  return message(DELETE, NLM_F_ACK, familyHeader(familyNumbers[family], 0), flow.key);
}

/**
 * Deletes in the kernel without listing. Kernels before 6.8 refuse it with EINVAL or EOPNOTSUPP; none of them takes it
 * for a request without a filter, because the tuple is there.
 */
export function deleteMatching(pattern: FlowPattern): Buffer {
  const original = pattern.direction === "original";
  const header = familyHeader(familyNumbers.ipv4, FAMILY_COUNTS);
  const flags = original ? CTA_FILTER_ORIG_FLAGS : CTA_FILTER_REPLY_FLAGS;
  return message(DELETE, NLM_F_ACK, header, [
    nested(original ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY, patternTuple(pattern)),
    nested(CTA_FILTER, [u32Attribute(flags, patternFlags(pattern))]),
  ]);
}

function patternTuple(pattern: FlowPattern): Buffer[] {
  const { source, destination, protocol, destinationPort } = pattern;
  const addresses = [
    ...(source === undefined ? [] : [attribute(CTA_IP_V4_SRC, toBytes(source))]),
    ...(destination === undefined ? [] : [attribute(CTA_IP_V4_DST, toBytes(destination))]),
  ];
  const service = [
    ...(protocol === undefined ? [] : [u8Attribute(CTA_PROTO_NUM, protocol)]),
    ...(destinationPort === undefined ? [] : [u16BigEndianAttribute(CTA_PROTO_DST_PORT, destinationPort)]),
  ];
  return [
    ...(addresses.length === 0 ? [] : [nested(CTA_TUPLE_IP, addresses)]),
    ...(service.length === 0 ? [] : [nested(CTA_TUPLE_PROTO, service)]),
  ];
}

function patternFlags(pattern: FlowPattern): number {
  const fields = ["source", "destination", "protocol", "destinationPort"] as const;
  return fields.reduce((flags, field) => flags | (pattern[field] === undefined ? 0 : filterFlags[field]), 0);
}

function parseDirection(tuple: Buffer | undefined): FlowDirection | undefined {
  const parts = parseAttributes(tuple ?? Buffer.alloc(0));
  const ip = parseAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const service = parseAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  const source = ip.get(CTA_IP_V4_SRC) ?? ip.get(CTA_IP_V6_SRC);
  const destination = ip.get(CTA_IP_V4_DST) ?? ip.get(CTA_IP_V6_DST);
  const protocol = service.get(CTA_PROTO_NUM)?.[0];
  if (source === undefined || destination === undefined || protocol === undefined) {
    return undefined;
  }
  const port = service.get(CTA_PROTO_DST_PORT)?.readUInt16BE();
  const direction = { source, destination, protocol };
  return port === undefined ? direction : { ...direction, destinationPort: port };
}

/** struct nfgenmsg. */
function familyHeader(family: number, version: number): Buffer {
  return Buffer.from([family, version, 0, 0]);
}
