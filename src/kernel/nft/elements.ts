import type { NftElement, NftField, NftScalar, NftSet, NftTable } from "../../plan/ruleset.ts";
import { attribute, NLM_F_CREATE, NLM_F_EXCL, nested, textAttribute } from "../netlink/message.ts";
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
import { encodeFields } from "./field-types.ts";

/** An attribute's length field has 16 bits, and the list of elements is one attribute. */
const maxListBytes = 60_000;

/** Fails with EEXIST when a key, or one that overlaps it, is there already. */
export function addElements(table: NftTable, set: NftSet, elements: readonly NftElement[]): BatchStep[] {
  const encoded = elements.map((element) => [...keyAttributes(set, element), ...dataAttributes(set, element)]);
  return elementSteps(table, set, encoded, { type: nftMessage.newElements, flags: NLM_F_CREATE | NLM_F_EXCL });
}

/** Goes by the keys; data is not looked at. Fails with ENOENT when a key is not there. */
export function removeElements(table: NftTable, set: NftSet, elements: readonly NftElement[]): BatchStep[] {
  const encoded = elements.map((element) => keyAttributes(set, element));
  return elementSteps(table, set, encoded, { type: nftMessage.delElements, flags: 0 });
}

export function removeAllElements(table: NftTable, set: NftSet): BatchStep {
  const attributes = setReference(table, set);
  return { subject: `set ${set.name}`, type: nftMessage.delElements, flags: 0, family: table.family, attributes };
}

function elementSteps(
  table: NftTable,
  set: NftSet,
  elements: readonly (readonly Buffer[])[],
  request: Pick<BatchStep, "type" | "flags">,
): BatchStep[] {
  return chunks(elements.map((attributes) => nested(NFTA_LIST_ELEM, attributes))).map((list) => ({
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

function keyAttributes(set: NftSet, element: NftElement): Buffer[] {
  if (set.interval !== true && element.key.some((field) => typeof field === "object")) {
    throw new Error(`set ${set.name} takes no ranges`);
  }
  const first = valueAttribute(NFTA_SET_ELEM_KEY, encodeFields(set.key, element.key.map(firstOf)));
  if (set.interval !== true) {
    return [first];
  }
  return [first, valueAttribute(NFTA_SET_ELEM_KEY_END, encodeFields(set.key, element.key.map(lastOf)))];
}

function dataAttributes(set: NftSet, { data }: NftElement): Buffer[] {
  if (set.data === undefined && data === undefined) {
    return [];
  }
  if (set.data === "verdict" && data !== undefined && !isScalars(data)) {
    return [nested(NFTA_SET_ELEM_DATA, [verdictData(data)])];
  }
  if (set.data !== undefined && set.data !== "verdict" && data !== undefined && isScalars(data)) {
    return [valueAttribute(NFTA_SET_ELEM_DATA, encodeFields(set.data, data))];
  }
  throw new Error(`set ${set.name}: the element's data is not what the set holds`);
}

function isScalars(data: NonNullable<NftElement["data"]>): data is readonly NftScalar[] {
  return Array.isArray(data);
}

function valueAttribute(type: number, value: Buffer): Buffer {
  return nested(type, [attribute(NFTA_DATA_VALUE, value)]);
}

function firstOf(field: NftField): NftScalar {
  return typeof field === "object" ? field.from : field;
}

function lastOf(field: NftField): NftScalar {
  return typeof field === "object" ? field.to : field;
}
