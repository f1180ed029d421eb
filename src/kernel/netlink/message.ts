/**
 * Netlink messages as bytes (include/uapi/linux/netlink.h). Host byte order, which is little-endian on all that we
 * support; nfnetlink attribute values are big-endian and say so in their function's name.
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
export const NLMSG_HEADER_BYTES = 16;
export const ATTRIBUTE_HEADER_BYTES = 4;

/** One message: header, a fixed family header, attributes. The transport fills in sequence number and port id. */
export function message(type: number, flags: number, familyHeader: Buffer, attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat([pad(familyHeader), ...attributes]);
  const header = Buffer.alloc(NLMSG_HEADER_BYTES);
  header.writeUInt32LE(NLMSG_HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  return Buffer.concat([header, body]);
}

export function attribute(type: number, value: Uint8Array): Buffer {
  const header = Buffer.alloc(ATTRIBUTE_HEADER_BYTES);
  header.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + value.length, 0);
  header.writeUInt16LE(type, 2);
  return pad(Buffer.concat([header, value]));
}

export function nested(type: number, children: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** NUL-terminated text. */
export function textAttribute(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`, "utf8"));
}

export function u8Attribute(type: number, value: number): Buffer {
  return attribute(type, Buffer.from([value]));
}

export function u32Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return attribute(type, bytes);
}

export function u16BigEndianAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return attribute(type, bytes);
}

export function u32BigEndianAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return attribute(type, bytes);
}

export interface ParsedMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Everything behind the 16-byte netlink header. */
  readonly payload: Buffer;
}

/** Splits a received datagram. A truncated last message is an error. */
export function parseMessages(datagram: Buffer): ParsedMessage[] {
  const messages: ParsedMessage[] = [];
  for (let at = 0; at + NLMSG_HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < NLMSG_HEADER_BYTES || at + length > datagram.length) {
      throw new Error(`netlink message of ${length} bytes in a datagram with ${datagram.length - at} left`);
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + NLMSG_HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

/**
 * Attributes by type without flag bits; of a repeated type the last one stays.
 * @param wanted absent: all types
 */
export function parseAttributes(bytes: Buffer, wanted?: ReadonlySet<number>): Map<number, Buffer> {
  return new Map(listAttributes(bytes, wanted));
}

export function listAttributes(bytes: Buffer, wanted?: ReadonlySet<number>): [number, Buffer][] {
  const found: [number, Buffer][] = [];
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) {
      break;
    }
    const type = bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK;
    if (wanted?.has(type) !== false) {
      found.push([type, bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length)]);
    }
    at += align(length);
  }
  return found;
}

/** Text of a NUL-terminated attribute value. */
export function readText(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end === -1 ? value.length : end);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function pad(bytes: Buffer): Buffer {
  const missing = align(bytes.length) - bytes.length;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
