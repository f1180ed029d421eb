import { familyOf, parseIpAddress, toBytes } from "../../model/ip.ts";
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
  readonly encode: (value: NftScalar) => Buffer;
}

const protocolNumbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, "ipv6-icmp": 58, sctp: 132 };
const bitsPerTypeId = 6;
const registerBytes = 4;

const fieldTypes: Readonly<Record<NftType, FieldType>> = {
  ipv4_addr: { id: 7, bytes: 4, byteOrder: NETWORK_ORDER, encode: (value) => addressBytes(value, "ipv4") },
  ipv6_addr: { id: 8, bytes: 16, byteOrder: NETWORK_ORDER, encode: (value) => addressBytes(value, "ipv6") },
  inet_proto: { id: 12, bytes: 1, byteOrder: UNSPECIFIED_ORDER, encode: protocolBytes },
  inet_service: { id: 13, bytes: 2, byteOrder: NETWORK_ORDER, encode: portBytes },
  ifname: { id: 41, bytes: 16, byteOrder: HOST_ORDER, encode: ifNameBytes },
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

/** Values of all fields behind each other, each padded if there are several. */
export function encodeFields(types: readonly NftType[], values: readonly NftScalar[]): Buffer {
  if (types.length !== values.length) {
    throw new Error(`${values.length} values for the fields ${types.join(" . ")}`);
  }
  const encoded = types.map((type, index) => fieldTypes[type].encode(values[index] ?? ""));
  return encoded.length === 1 ? Buffer.concat(encoded) : Buffer.concat(encoded.map(padded));
}

function padded(bytes: Buffer): Buffer {
  const missing = -bytes.length & (registerBytes - 1);
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}

function addressBytes(value: NftScalar, family: "ipv4" | "ipv6"): Buffer {
  const address = parseIpAddress(String(value));
  if (familyOf(address) !== family) {
    throw new Error(`${address} is not an ${family} address`);
  }
  return toBytes(address);
}

function protocolBytes(value: NftScalar): Buffer {
  const number = typeof value === "number" ? value : protocolNumbers[value];
  return Buffer.from([wholeNumber(number, 0xff, `protocol ${value}`)]);
}

function portBytes(value: NftScalar): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(wholeNumber(typeof value === "number" ? value : undefined, 0xffff, `port ${value}`));
  return bytes;
}

function ifNameBytes(value: NftScalar): Buffer {
  const bytes = Buffer.alloc(16);
  const name = Buffer.from(String(value), "utf8");
  if (name.length === 0 || name.length >= bytes.length || name.includes(0)) {
    throw new Error(`${JSON.stringify(value)} is not an interface name`);
  }
  name.copy(bytes);
  return bytes;
}

function wholeNumber(value: number | undefined, max: number, what: string): number {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Error(`${what} is not a number from 0 to ${max}`);
  }
  return value;
}
