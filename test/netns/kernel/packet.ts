/** What tests look at in packets: addresses, ICMP errors and checksums. */
import type { Family } from "../../../src/model/ip.ts";
import { fromBytes } from "../../../src/model/ip.ts";

const ICMP = 1;
const ICMPV6 = 58;
/** Destination unreachable, packet too big (ICMPv6), time exceeded, parameter problem; RFC 792 and RFC 4443. */
const errorTypes: Readonly<Record<number, readonly number[]>> = { [ICMP]: [3, 11, 12], [ICMPV6]: [1, 2, 3, 4] };
const icmpHeaderBytes = 8;

export interface Packet {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Buffer;
}

/** Without options or extension headers, as all packets of these tests are. */
export function parsePacket(bytes: Buffer): Packet | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    return {
      family: "ipv4",
      source: fromBytes(bytes.subarray(12, 16)),
      destination: fromBytes(bytes.subarray(16, 20)),
      protocol: bytes.readUInt8(9),
      payload: bytes.subarray(((bytes[0] ?? 0) & 15) * 4, Math.max(bytes.readUInt16BE(2), 20)),
    };
  }
  if (version === 6 && bytes.length >= 40) {
    return {
      family: "ipv6",
      source: fromBytes(bytes.subarray(8, 24)),
      destination: fromBytes(bytes.subarray(24, 40)),
      protocol: bytes.readUInt8(6),
      payload: bytes.subarray(40, 40 + bytes.readUInt16BE(4)),
    };
  }
  return undefined;
}

export function isIcmpError(bytes: Buffer): boolean {
  const packet = parsePacket(bytes);
  return packet !== undefined && (errorTypes[packet.protocol] ?? []).includes(packet.payload[0] ?? -1);
}

/** The packet that an ICMP error is about, as far as it is quoted. */
export function quotedBy(bytes: Buffer): Packet & { readonly bytes: Buffer } {
  const quoted = parsePacket(bytes)?.payload.subarray(icmpHeaderBytes);
  const packet = quoted === undefined ? undefined : parsePacket(quoted);
  if (quoted === undefined || packet === undefined) {
    throw new Error("not an ICMP error");
  }
  return { ...packet, bytes: quoted };
}

/** Of an IPv4 header; IPv6 has none. */
export function hasRightHeaderChecksum(bytes: Buffer): boolean {
  return (bytes[0] ?? 0) >> 4 === 6 || sum(bytes.subarray(0, ((bytes[0] ?? 0) & 15) * 4)) === 0xffff;
}

/** RFC 792; RFC 4443 section 2.3 with the pseudo header of RFC 8200 section 8.1. */
export function hasRightIcmpChecksum(bytes: Buffer): boolean {
  const packet = parsePacket(bytes);
  if (packet?.family !== "ipv6") {
    return packet !== undefined && sum(packet.payload) === 0xffff;
  }
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(packet.payload.length, 0);
  tail.writeUInt8(ICMPV6, 7);
  return sum(Buffer.concat([bytes.subarray(8, 40), tail, packet.payload])) === 0xffff;
}

/** RFC 1071, without the last turn: a right checksum makes it 0xffff. */
function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    total += at + 1 < bytes.length ? bytes.readUInt16BE(at) : bytes.readUInt8(at) << 8;
  }
  while (total > 0xffff) {
    total = (total & 0xffff) + (total >>> 16);
  }
  return total;
}
