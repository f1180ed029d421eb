import { isIPv4, isIPv6 } from "node:net";
import { Address4, Address6 } from "ip-address";
import { FairwayError } from "../errors.ts";

declare const brand: unique symbol;

/** A host address in canonical text: "10.0.0.1", "fd00::1" (RFC 5952). */
export type IpAddress = string & { readonly [brand]: "IpAddress" };
/** A prefix without host bits, canonical: "10.0.0.0/24". */
export type Prefix = string & { readonly [brand]: "Prefix" };
/** An address with its prefix length, host bits kept: "10.0.0.1/24". */
export type InterfaceAddress = string & { readonly [brand]: "InterfaceAddress" };
export type Family = "ipv4" | "ipv6";

export function familyOf(value: IpAddress | Prefix | InterfaceAddress): Family {
  return value.includes(":") ? "ipv6" : "ipv4";
}

/**
 * Each address has one spelling afterwards. An IPv4-mapped IPv6 address is the IPv4 address it stands for
 * (RFC 4291 section 2.5.5.2), as in Go's net.IP: in a packet filter the mapped form would never match.
 * @throws FairwayError FW3003; leading zeros and zones are refused.
 */
export function parseIpAddress(text: string, what = "address"): IpAddress {
  if (isIPv4(text)) {
    return text as IpAddress;
  }
  if (isIPv6(text) && !text.includes("%")) {
    return unmapped(new Address6(text).correctForm() as IpAddress);
  }
  throw notAnAddress(text, what, "an IPv4 or IPv6 address");
}

function unmapped(address: IpAddress): IpAddress {
  const mapped = /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(address);
  return mapped ? fromBigInt(toBigInt(address) & 0xffff_ffffn, "ipv4") : address;
}

export function parseInterfaceAddress(text: string, what = "address"): InterfaceAddress {
  const [host, length, ...rest] = text.split("/");
  if (host === undefined || length === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length)) {
    throw notAnAddress(text, what, "an address with a prefix length");
  }
  const address = parseIpAddress(host, what);
  const bits = Number(length);
  // A mapped address with a prefix length has no meaning in either family.
  const isMapped = familyOf(address) === "ipv4" && host.includes(":");
  if (isMapped || bits > addressBits(familyOf(address))) {
    throw notAnAddress(text, what, "an address with a prefix length");
  }
  return `${address}/${bits}` as InterfaceAddress;
}

/** Takes "10.0.0.7/24" as well and drops the host bits, as the engine does. */
export function parsePrefix(text: string, what = "subnet"): Prefix {
  return prefixOf(parseInterfaceAddress(text, what));
}

export function addressBits(family: Family): 32 | 128 {
  return family === "ipv4" ? 32 : 128;
}

/** The address in front of the slash: of a prefix, its first one. */
export function hostOf(value: InterfaceAddress | Prefix): IpAddress {
  return value.slice(0, value.indexOf("/")) as IpAddress;
}

/** As it stands before a port: "192.0.2.1", "[2001:db8::1]" (RFC 3986 section 3.2.2). */
export function bracketed(address: IpAddress): string {
  return familyOf(address) === "ipv6" ? `[${address}]` : address;
}

/** The address with the length of its family: "10.0.0.1/32". */
export function wholeAddress(address: IpAddress): InterfaceAddress {
  return `${address}/${addressBits(familyOf(address))}` as InterfaceAddress;
}

export function prefixLengthOf(value: Prefix | InterfaceAddress): number {
  return Number(value.slice(value.indexOf("/") + 1));
}

export function prefixOf(address: InterfaceAddress): Prefix {
  const [family, length] = [familyOf(address), prefixLengthOf(address)];
  const hostBits = addressBits(family) - length;
  if (hostBits === 0) {
    // Routes to single addresses are compared by the thousand.
    return address as string as Prefix;
  }
  const shift = BigInt(hostBits);
  const first = (toBigInt(hostOf(address)) >> shift) << shift;
  return `${fromBigInt(first, family)}/${length}` as Prefix;
}

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  if (familyOf(prefix) !== familyOf(address)) {
    return false;
  }
  const [first, last] = boundsOf(prefix);
  const value = toBigInt(address);
  return first <= value && value <= last;
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  if (familyOf(a) !== familyOf(b)) {
    return false;
  }
  const [aFirst, aLast] = boundsOf(a);
  const [bFirst, bLast] = boundsOf(b);
  return aFirst <= bLast && bFirst <= aLast;
}

/** First and last address of a prefix as numbers, network and broadcast address included. */
export function boundsOf(prefix: Prefix): [bigint, bigint] {
  const size = 1n << BigInt(addressBits(familyOf(prefix)) - prefixLengthOf(prefix));
  const first = toBigInt(hostOf(prefix));
  return [first, first + size - 1n];
}

export function toBigInt(address: IpAddress): bigint {
  return BigInt(`0x${toBytes(address).toString("hex")}`);
}

export function fromBigInt(value: bigint, family: Family): IpAddress {
  const parsed = family === "ipv4" ? Address4.fromBigInt(value) : Address6.fromBigInt(value);
  return parsed.correctForm() as IpAddress;
}

/** Network byte order, 4 or 16 bytes. Dumps of the kernel's tables call this per entry. */
export function toBytes(address: IpAddress): Buffer {
  return familyOf(address) === "ipv4" ? Buffer.from(address.split(".").map(Number)) : ipv6Bytes(address);
}

/** Canonical text is nothing but groups with at most one gap: no dotted quad, no zone. */
function ipv6Bytes(address: IpAddress): Buffer {
  const bytes = Buffer.alloc(16);
  const [left = [], right = []] = address.split("::").map((side) => (side === "" ? [] : side.split(":")));
  for (const [index, group] of left.entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  }
  for (const [index, group] of right.entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - 2 * (right.length - index));
  }
  return bytes;
}

/** @throws RangeError unless there are 4 or 16 bytes in network order. */
export function fromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) {
    return bytes.join(".") as IpAddress;
  }
  if (bytes.length === 16) {
    return fromBigInt(BigInt(`0x${Buffer.from(bytes).toString("hex")}`), "ipv6");
  }
  throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
}

export function isLoopback(address: IpAddress): boolean {
  return familyOf(address) === "ipv4" ? address.startsWith("127.") : address === "::1";
}

/** "0.0.0.0" or "::": every address of the family. */
export function isUnspecified(address: IpAddress): boolean {
  return address === "0.0.0.0" || address === "::";
}

/** 224.0.0.0/4 with the class above it (RFC 1112), or ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  return familyOf(address) === "ipv4" ? Number.parseInt(address, 10) >= 224 : /^ff[0-9a-f]{2}:/.test(address);
}

/** 169.254.0.0/16 (RFC 3927) or fe80::/10: means something on one link only. */
export function isLinkLocal(address: IpAddress): boolean {
  return familyOf(address) === "ipv4" ? address.startsWith("169.254.") : /^fe[89ab][0-9a-f]:/.test(address);
}

function notAnAddress(text: string, what: string, wanted: string): FairwayError {
  return new FairwayError({
    code: "FW3003",
    what: `${what} ${JSON.stringify(text.slice(0, 60))} is not ${wanted}`,
    fix: 'write it like "10.88.0.1/24" or "fd00:88::1/64"',
  });
}
