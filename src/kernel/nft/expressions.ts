/** The expressions that rules are made of: each one a named attribute block (net/netfilter/nft_*.c). */
import type { NftVerdict } from "../../plan/ruleset.ts";
import { attribute, nested, textAttribute, u32BigEndianAttribute } from "../netlink/message.ts";
import {
  NF_ACCEPT,
  NF_DROP,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_GOTO,
  NFT_JUMP,
  NFT_RETURN,
  NFTA_DATA_VALUE,
  NFTA_DATA_VERDICT,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_LIST_ELEM,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
  VERDICT_REGISTER,
} from "./constants.ts";

export const metaKeys = {
  protocol: 1,
  mark: 3,
  iifname: 6,
  oifname: 7,
  nfproto: 15,
  l4proto: 16,
  iifgroup: 21,
  oifgroup: 22,
  oifkind: 27,
} as const;
export const payloadBases = { network: 1, transport: 2 } as const;
export const ctKeys = { state: 0, status: 2 } as const;
const natTypes = { snat: 0, dnat: 1 } as const;

export interface PayloadSlice {
  readonly base: keyof typeof payloadBases;
  readonly offset: number;
  readonly bytes: number;
}

export function loadMeta(key: keyof typeof metaKeys, register: number): Buffer {
  return expression("meta", [u32BigEndianAttribute(1, register), u32BigEndianAttribute(2, metaKeys[key])]);
}

/** Writes the register to the packet's mark. */
export function storeMark(register: number): Buffer {
  return expression("meta", [u32BigEndianAttribute(2, metaKeys.mark), u32BigEndianAttribute(3, register)]);
}

export function loadPayload(slice: PayloadSlice, register: number): Buffer {
  return expression("payload", [
    u32BigEndianAttribute(1, register),
    u32BigEndianAttribute(2, payloadBases[slice.base]),
    u32BigEndianAttribute(3, slice.offset),
    u32BigEndianAttribute(4, slice.bytes),
  ]);
}

/** How the kernel keeps checksums right while it writes (enum nft_payload_csum_types and _flags). */
export type Checksum =
  /** None of the written bytes is in a checksum, or it is none of ours. */
  | { readonly kind: "none" }
  /** An internet checksum `offset` bytes behind the base. */
  | { readonly kind: "internet"; readonly offset: number };

/** @param pseudoHeader The bytes are in the pseudo header that transport checksums cover. */
export function storePayload(slice: PayloadSlice, register: number, checksum: Checksum, pseudoHeader: boolean): Buffer {
  return expression("payload", [
    u32BigEndianAttribute(5, register),
    u32BigEndianAttribute(2, payloadBases[slice.base]),
    u32BigEndianAttribute(3, slice.offset),
    u32BigEndianAttribute(4, slice.bytes),
    u32BigEndianAttribute(6, checksum.kind === "none" ? 0 : 1),
    u32BigEndianAttribute(7, checksum.kind === "none" ? 0 : checksum.offset),
    u32BigEndianAttribute(8, pseudoHeader ? 1 : 0),
  ]);
}

export function loadConntrack(key: keyof typeof ctKeys, register: number): Buffer {
  return expression("ct", [u32BigEndianAttribute(1, register), u32BigEndianAttribute(2, ctKeys[key])]);
}

/** RTN_* of the destination address as a number in host byte order. */
export function loadDestinationType(register: number): Buffer {
  const addressType = 3;
  const destination = 2;
  return expression("fib", [
    u32BigEndianAttribute(1, register),
    u32BigEndianAttribute(2, addressType),
    u32BigEndianAttribute(3, destination),
  ]);
}

export function compare(operator: "equal" | "notEqual", register: number, value: Buffer): Buffer {
  return expression("cmp", [
    u32BigEndianAttribute(1, register),
    u32BigEndianAttribute(2, operator === "equal" ? 0 : 1),
    nested(3, [attribute(NFTA_DATA_VALUE, value)]),
  ]);
}

/** Leaves in the register the bits that `bits` selects, then turns over those of `turn`. */
export function mask(register: number, bits: Buffer, turn: Buffer = Buffer.alloc(bits.length)): Buffer {
  return expression("bitwise", [
    u32BigEndianAttribute(1, register),
    u32BigEndianAttribute(2, register),
    u32BigEndianAttribute(3, bits.length),
    nested(4, [attribute(NFTA_DATA_VALUE, bits)]),
    nested(5, [attribute(NFTA_DATA_VALUE, turn)]),
  ]);
}

/** Ends the rule unless the key is in the set; a map's data goes to `to`, which is VERDICT_REGISTER for verdicts. */
export function lookUp(set: string, register: number, to?: number): Buffer {
  const target = to === undefined ? [] : [u32BigEndianAttribute(3, to)];
  return expression("lookup", [textAttribute(1, set), u32BigEndianAttribute(2, register), ...target]);
}

/** Ends the rule if the key is in the set. */
export function lookUpAbsent(set: string, register: number): Buffer {
  const inverted = 1;
  return expression("lookup", [
    textAttribute(1, set),
    u32BigEndianAttribute(2, register),
    u32BigEndianAttribute(5, inverted),
  ]);
}

export interface NatTarget {
  readonly family: "ipv4" | "ipv6";
  readonly address: number;
  /** Register of the port; absent: the port stays. */
  readonly port?: number;
}

export function translate(kind: keyof typeof natTypes, target: NatTarget): Buffer {
  return expression("nat", [
    u32BigEndianAttribute(1, natTypes[kind]),
    u32BigEndianAttribute(2, target.family === "ipv4" ? NFPROTO_IPV4 : NFPROTO_IPV6),
    u32BigEndianAttribute(3, target.address),
    ...(target.port === undefined ? [] : [u32BigEndianAttribute(5, target.port)]),
  ]);
}

export function masquerade(): Buffer {
  return expression("masq", []);
}

export function count(): Buffer {
  return expression("counter", [attribute(1, Buffer.alloc(8)), attribute(2, Buffer.alloc(8))]);
}

export function conclude(verdict: NftVerdict): Buffer {
  return expression("immediate", [u32BigEndianAttribute(1, VERDICT_REGISTER), nested(2, [verdictData(verdict)])]);
}

/** Content of a data attribute that holds a verdict. */
export function verdictData(verdict: NftVerdict): Buffer {
  return nested(NFTA_DATA_VERDICT, verdictAttributes(verdict));
}

const plainVerdicts = { accept: NF_ACCEPT, drop: NF_DROP, return: NFT_RETURN } as const;

function verdictAttributes(verdict: NftVerdict): Buffer[] {
  if (typeof verdict === "string") {
    return [u32BigEndianAttribute(NFTA_VERDICT_CODE, plainVerdicts[verdict])];
  }
  const [code, chain] = "jump" in verdict ? [NFT_JUMP, verdict.jump] : [NFT_GOTO, verdict.goto];
  return [u32BigEndianAttribute(NFTA_VERDICT_CODE, code), textAttribute(NFTA_VERDICT_CHAIN, chain)];
}

function expression(name: string, attributes: readonly Buffer[]): Buffer {
  return nested(NFTA_LIST_ELEM, [textAttribute(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, attributes)]);
}
