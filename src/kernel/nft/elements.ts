import type { NftElement, NftField, NftScalar, NftSet, NftTable, NftType } from "../../plan/ruleset.ts";
import {
  ATTRIBUTE_HEADER_BYTES,
  attribute,
  NLM_F_CREATE,
  NLM_F_EXCL,
  nested,
  textAttribute,
} from "../netlink/message.ts";
import type { BatchStep } from "./batch.ts";
import {
  NFTA_DATA_VALUE,
  NFTA_LIST_ELEM,
  NFTA_SET_ELEM_DATA,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_KEY_END,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_ELEM_LIST_SET,
  NFTA_SET_ELEM_LIST_TABLE,
  nftMessage,
} from "./constants.ts";
import { verdictData } from "./expressions.ts";
import { type AddressBytes, totalBytes, writeFields } from "./field-types.ts";

/** An attribute's length field has 16 bits, and the list of elements is one attribute. */
const maxListBytes = 60_000;
/** In front of a value: its own attribute's header and that of the attribute around it. */
const VALUE_HEADERS_BYTES = 2 * ATTRIBUTE_HEADER_BYTES;

/** Fails with EEXIST when a key, or one that overlaps it, is there already. */
export function addElements(table: NftTable, set: NftSet, elements: readonly NftElement[]): BatchStep[] {
  return elementSteps(table, set, encodeAll(set, elements, "withData"), {
    type: nftMessage.newElements,
    flags: NLM_F_CREATE | NLM_F_EXCL,
  });
}

/** Goes by the keys; data is not looked at. Fails with ENOENT when a key is not there. */
export function removeElements(table: NftTable, set: NftSet, elements: readonly NftElement[]): BatchStep[] {
  return elementSteps(table, set, encodeAll(set, elements, "keyOnly"), { type: nftMessage.delElements, flags: 0 });
}

export function removeAllElements(table: NftTable, set: NftSet): BatchStep {
  const attributes = setReference(table, set);
  return { subject: `set ${set.name}`, type: nftMessage.delElements, flags: 0, family: table.family, attributes };
}

function elementSteps(
  table: NftTable,
  set: NftSet,
  elements: readonly Buffer[],
  request: Pick<BatchStep, "type" | "flags">,
): BatchStep[] {
  return chunks(elements).map((list) => ({
    subject: `set ${set.name}`,
    family: table.family,
    attributes: [...setReference(table, set), nested(NFTA_SET_ELEM_LIST_ELEMENTS, list)],
    ...request,
  }));
}

function setReference(table: NftTable, set: NftSet): Buffer[] {
  return [textAttribute(NFTA_SET_ELEM_LIST_TABLE, table.name), textAttribute(NFTA_SET_ELEM_LIST_SET, set.name)];
}

function chunks(elements: readonly Buffer[]): Buffer[][] {
  const result: Buffer[][] = [];
  let room = 0;
  for (const element of elements) {
    const current = result.at(-1);
    if (current === undefined || room < element.length) {
      result.push([element]);
      room = maxListBytes - element.length;
    } else {
      current.push(element);
      room -= element.length;
    }
  }
  return result;
}

/**
 * Elements of a set differ in nothing but values of fixed size. So each is a copy of one form that is filled in; to build
 * every attribute anew takes ten times as long, which shows with a thousand ports.
 */
interface Form {
  readonly blank: Buffer;
  readonly keyAt: number;
  readonly keyEndAt: number;
  readonly dataAt: number;
}

function encodeAll(set: NftSet, elements: readonly NftElement[], what: "keyOnly" | "withData"): Buffer[] {
  const dataTypes = what === "withData" && set.data !== "verdict" ? set.data : undefined;
  const form = formOf(set, dataTypes);
  const addresses: AddressBytes = new Map();
  return elements.map((element) => {
    const bytes = Buffer.from(form.blank);
    writeKey(bytes, form, set, element, addresses);
    if (what === "keyOnly") {
      return bytes;
    }
    const { data } = element;
    if (dataTypes !== undefined && isScalars(data)) {
      writeFields(bytes, form.dataAt, dataTypes, data, addresses);
      return bytes;
    }
    if (set.data === "verdict" && data !== undefined && !isScalars(data)) {
      const verdict = nested(NFTA_SET_ELEM_DATA, [verdictData(data)]);
      return nested(NFTA_LIST_ELEM, [bytes.subarray(ATTRIBUTE_HEADER_BYTES), verdict]);
    }
    if (set.data !== undefined || data !== undefined) {
      throw new Error(`set ${set.name}: the element's data is not what the set holds`);
    }
    return bytes;
  });
}

function formOf(set: NftSet, dataTypes: readonly NftType[] | undefined): Form {
  const key = blankValue(NFTA_SET_ELEM_KEY, set.key);
  const keyEnd = set.interval === true ? [blankValue(NFTA_SET_ELEM_KEY_END, set.key)] : [];
  const data = dataTypes === undefined ? [] : [blankValue(NFTA_SET_ELEM_DATA, dataTypes)];
  const keyAt = ATTRIBUTE_HEADER_BYTES + VALUE_HEADERS_BYTES;
  return {
    blank: nested(NFTA_LIST_ELEM, [key, ...keyEnd, ...data]),
    keyAt,
    keyEndAt: keyAt + key.length,
    dataAt: keyAt + key.length * (1 + keyEnd.length),
  };
}

function writeKey(bytes: Buffer, form: Form, set: NftSet, { key }: NftElement, addresses: AddressBytes): void {
  if (set.interval !== true && key.some((field) => typeof field === "object")) {
    throw new Error(`set ${set.name} takes no ranges`);
  }
  writeFields(bytes, form.keyAt, set.key, key.map(firstOf), addresses);
  if (set.interval === true) {
    writeFields(bytes, form.keyEndAt, set.key, key.map(lastOf), addresses);
  }
}

function isScalars(data: NftElement["data"]): data is readonly NftScalar[] {
  return Array.isArray(data);
}

function blankValue(type: number, fields: readonly NftType[]): Buffer {
  return nested(type, [attribute(NFTA_DATA_VALUE, Buffer.alloc(totalBytes(fields)))]);
}

function firstOf(field: NftField): NftScalar {
  return typeof field === "object" ? field.from : field;
}

function lastOf(field: NftField): NftScalar {
  return typeof field === "object" ? field.to : field;
}
