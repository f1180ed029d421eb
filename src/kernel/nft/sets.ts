import type { NftSet, NftTable, NftType } from "../../plan/ruleset.ts";
import {
  attribute,
  NLM_F_CREATE,
  NLM_F_EXCL,
  nested,
  textAttribute,
  u32BigEndianAttribute,
} from "../netlink/message.ts";
import type { BatchStep } from "./batch.ts";
import {
  NFT_DATA_VERDICT,
  NFT_SET_CONCAT,
  NFT_SET_INTERVAL,
  NFT_SET_MAP,
  NFTA_LIST_ELEM,
  NFTA_SET_DATA_LEN,
  NFTA_SET_DATA_TYPE,
  NFTA_SET_DESC,
  NFTA_SET_DESC_CONCAT,
  NFTA_SET_FIELD_LEN,
  NFTA_SET_FLAGS,
  NFTA_SET_ID,
  NFTA_SET_KEY_LEN,
  NFTA_SET_KEY_TYPE,
  NFTA_SET_NAME,
  NFTA_SET_TABLE,
  NFTA_SET_USERDATA,
  nftMessage,
} from "./constants.ts";
import { byteOrder, fieldBytes, totalBytes, typeId } from "./field-types.ts";

/** enum nftnl_udata_set_types of libnftnl: notes for programs that list the set; the kernel only keeps them. */
const UDATA_KEY_BYTEORDER = 0;
const UDATA_DATA_BYTEORDER = 1;

/** @param id Any number that no other set of the batch has. */
export function addSet(table: NftTable, set: NftSet, id: number): BatchStep {
  if (set.interval === true && set.key.length < 2) {
    throw new Error(`set ${set.name}: ranges need at least two fields`);
  }
  return {
    subject: `set ${set.name}`,
    type: nftMessage.newSet,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    family: table.family,
    attributes: [
      textAttribute(NFTA_SET_TABLE, table.name),
      textAttribute(NFTA_SET_NAME, set.name),
      u32BigEndianAttribute(NFTA_SET_FLAGS, setFlags(set)),
      u32BigEndianAttribute(NFTA_SET_KEY_TYPE, typeId(set.key)),
      u32BigEndianAttribute(NFTA_SET_KEY_LEN, totalBytes(set.key)),
      ...dataAttributes(set),
      u32BigEndianAttribute(NFTA_SET_ID, id),
      ...(set.interval === true ? [fieldLengths(set.key)] : []),
      attribute(NFTA_SET_USERDATA, userData(set)),
    ],
  };
}

function setFlags(set: NftSet): number {
  const map = set.data === undefined ? 0 : NFT_SET_MAP;
  // Without ranges the kernel keeps a plain hash table, where a concatenation is but a long key.
  const ranges = set.interval === true ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0;
  return map | ranges;
}

function dataAttributes(set: NftSet): Buffer[] {
  if (set.data === undefined) {
    return [];
  }
  const [type, bytes] = set.data === "verdict" ? [NFT_DATA_VERDICT, 0] : [typeId(set.data), totalBytes(set.data)];
  return [u32BigEndianAttribute(NFTA_SET_DATA_TYPE, type), u32BigEndianAttribute(NFTA_SET_DATA_LEN, bytes)];
}

function fieldLengths(types: readonly NftType[]): Buffer {
  const lengths = types.map((type) =>
    nested(NFTA_LIST_ELEM, [u32BigEndianAttribute(NFTA_SET_FIELD_LEN, fieldBytes(type))]),
  );
  return nested(NFTA_SET_DESC, [nested(NFTA_SET_DESC_CONCAT, lengths)]);
}

/** Type-length-value records; without them "nft list" prints single keys in the wrong byte order. */
function userData(set: NftSet): Buffer {
  const key = userDataNumber(UDATA_KEY_BYTEORDER, byteOrder(set.key));
  if (set.data === undefined) {
    return key;
  }
  const order = set.data === "verdict" ? 0 : byteOrder(set.data);
  return Buffer.concat([key, userDataNumber(UDATA_DATA_BYTEORDER, order)]);
}

function userDataNumber(type: number, value: number): Buffer {
  const bytes = Buffer.from([type, 4, 0, 0, 0, 0]);
  bytes.writeUInt32LE(value, 2);
  return bytes;
}
