import { parseIpAddress, toBytes } from "../../model/ip.ts";
import type { NftScalar, NftType } from "../../plan/ruleset.ts";
import { MAX_KEY_BYTES } from "./constants.ts";

/** How libnftables prints a value: enum byteorder in nftables' datatype.h. */
const UNSPECIFIED_ORDER = 0;
const HOST_ORDER = 1;
const NETWORK_ORDER = 2;

interface FieldType {
  /** enum datatypes in nftables' datatype.h. */
  readonly id: number;
  readonly bytes: number;
  readonly byteOrder: number;
  /** `target` holds zeroes there. */
  readonly write: (target: Buffer, at: number, value: NftScalar, addresses: AddressBytes) => void;
}

const protocolNumbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, "ipv6-icmp": 58, sctp: 132 };
const bitsPerTypeId = 6;
const registerBytes = 4;

const fieldTypes: Readonly<Record<NftType, FieldType>> = {
  ipv4_addr: { id: 7, bytes: 4, byteOrder: NETWORK_ORDER, write: addressWriter("ipv4") },
  ipv6_addr: { id: 8, bytes: 16, byteOrder: NETWORK_ORDER, write: addressWriter("ipv6") },
  inet_proto: { id: 12, bytes: 1, byteOrder: UNSPECIFIED_ORDER, write: writeProtocol },
  inet_service: { id: 13, bytes: 2, byteOrder: NETWORK_ORDER, write: writePort },
  ifname: { id: 41, bytes: 16, byteOrder: HOST_ORDER, write: writeIfName },
};

/** Bytes of one field without padding. */
export function fieldBytes(type: NftType): number {
  return fieldTypes[type].bytes;
}

/** Bytes that a field takes in registers and in a concatenated key. */
export function paddedBytes(type: NftType): number {
  return Math.ceil(fieldTypes[type].bytes / registerBytes) * registerBytes;
}

/** Key or data length as NFTA_SET_KEY_LEN wants it: a lone field unpadded, concatenated ones padded. */
export function totalBytes(types: readonly NftType[]): number {
  const [only, ...others] = types;
  if (only === undefined) {
    throw new Error("a set needs at least one field");
  }
  const total = others.length === 0 ? fieldBytes(only) : types.reduce((sum, type) => sum + paddedBytes(type), 0);
  if (total > MAX_KEY_BYTES) {
    throw new Error(`fields ${types.join(" . ")} take ${total} bytes, the kernel allows ${MAX_KEY_BYTES}`);
  }
  return total;
}

/** Type number of a list of fields as libnftables computes it: six bits for each, the first one highest. */
export function typeId(types: readonly NftType[]): number {
  return types.reduce((id, type) => (id << bitsPerTypeId) | fieldTypes[type].id, 0);
}

/** Byte order that libnftables notes for a list of fields; it notes none for several. */
export function byteOrder(types: readonly NftType[]): number {
  const [only] = types;
  return only === undefined || types.length > 1 ? UNSPECIFIED_ORDER : fieldTypes[only].byteOrder;
}

/** Addresses that were encoded before: a thousand ports lead to one or two of them. */
export type AddressBytes = Map<NftScalar, Buffer>;

/** Values of all fields behind each other, each padded if there are several. `target` holds zeroes there. */
export function writeFields(
  target: Buffer,
  at: number,
  types: readonly NftType[],
  values: readonly NftScalar[],
  addresses: AddressBytes = new Map(),
): void {
  if (types.length !== values.length) {
    throw new Error(`${values.length} values for the fields ${types.join(" . ")}`);
  }
  let offset = at;
  let index = 0;
  for (const type of types) {
    fieldTypes[type].write(target, offset, values[index] ?? "", addresses);
    offset += paddedBytes(type);
    index += 1;
  }
}

function addressWriter(family: "ipv4" | "ipv6"): FieldType["write"] {
  return (target, at, value, addresses) => {
    const bytes = addresses.get(value) ?? toBytes(parseIpAddress(String(value)));
    if (bytes.length !== fieldTypes[`${family}_addr`].bytes) {
      throw new Error(`${value} is not an ${family} address`);
    }
    addresses.set(value, bytes);
    target.set(bytes, at);
  };
}

function writeProtocol(target: Buffer, at: number, value: NftScalar): void {
  const number = typeof value === "number" ? value : protocolNumbers[value];
  target[at] = wholeNumber(number, 0xff, "protocol", value);
}

function writePort(target: Buffer, at: number, value: NftScalar): void {
  target.writeUInt16BE(wholeNumber(typeof value === "number" ? value : undefined, 0xffff, "port", value), at);
}

function writeIfName(target: Buffer, at: number, value: NftScalar): void {
  const name = Buffer.from(String(value), "utf8");
  if (name.length === 0 || name.length >= fieldTypes.ifname.bytes || name.includes(0)) {
    throw new Error(`${JSON.stringify(value)} is not an interface name`);
  }
  name.copy(target, at);
}

function wholeNumber(value: number | undefined, max: number, what: string, given: NftScalar): number {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Error(`${what} ${given} is not a number from 0 to ${max}`);
  }
  return value;
}
