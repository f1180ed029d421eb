/** Where addresses stand in a packet, and which checksums cover them. */
import type { NftAddressField } from "../../plan/ruleset.ts";
import { type Checksum, type PayloadSlice, storePayload } from "./expressions.ts";

interface FieldTerms {
  readonly slice: PayloadSlice;
  readonly checksum: Checksum;
  readonly pseudoHeader: boolean;
}

/** Offset of the checksum in an IPv4 header (RFC 791 section 3.1), and of the quoted packet in an ICMP error. */
const ipv4Checksum = 10;
const icmpHeaderBytes = 8;
/** Offset of the checksum in an ICMPv6 header (RFC 4443 section 2.1). */
const icmpv6Checksum = 2;

const fields: Readonly<Record<NftAddressField, FieldTerms>> = {
  "ip saddr": ipv4(12),
  "ip daddr": ipv4(16),
  "ip6 saddr": ipv6(8),
  "ip6 daddr": ipv6(24),
  "quoted ip saddr": quotedIpv4(12),
  "quoted ip daddr": quotedIpv4(16),
  "quoted ip6 saddr": quotedIpv6(8),
  "quoted ip6 daddr": quotedIpv6(24),
};

/** Writes the register into the packet. */
export function storeAddress(field: NftAddressField, register: number): Buffer {
  const { slice, checksum, pseudoHeader } = fields[field];
  return storePayload(slice, register, checksum, pseudoHeader);
}

export function familyOfField(field: NftAddressField): "ipv4" | "ipv6" {
  return field.includes("ip6") ? "ipv6" : "ipv4";
}

function ipv4(offset: number): FieldTerms {
  const slice: PayloadSlice = { base: "network", offset, bytes: 4 };
  return { slice, checksum: { kind: "internet", offset: ipv4Checksum }, pseudoHeader: true };
}

function ipv6(offset: number): FieldTerms {
  return { slice: { base: "network", offset, bytes: 16 }, checksum: { kind: "none" }, pseudoHeader: true };
}

/**
 * Mending the quoted header's own checksum leaves the sum over that header as it was, so the checksum of the ICMP
 * message stays right by itself. Nobody checks the quoted transport checksum, whose packet is cut off.
 */
function quotedIpv4(offset: number): FieldTerms {
  const slice: PayloadSlice = { base: "transport", offset: icmpHeaderBytes + offset, bytes: 4 };
  return { slice, checksum: { kind: "internet", offset: icmpHeaderBytes + ipv4Checksum }, pseudoHeader: false };
}

/** An IPv6 header has no checksum; the one of the ICMPv6 message covers it. */
function quotedIpv6(offset: number): FieldTerms {
  const slice: PayloadSlice = { base: "transport", offset: icmpHeaderBytes + offset, bytes: 16 };
  return { slice, checksum: { kind: "internet", offset: icmpv6Checksum }, pseudoHeader: false };
}
