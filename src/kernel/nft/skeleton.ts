import { createHash } from "node:crypto";
import type { NftChain, NftTable } from "../../plan/ruleset.ts";
import { attribute, NLM_F_CREATE, nested, textAttribute, u32BigEndianAttribute } from "../netlink/message.ts";
import { type BatchStep, stepMessage } from "./batch.ts";
import {
  MAX_NAME_BYTES,
  NF_ACCEPT,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_POLICY,
  NFTA_CHAIN_TABLE,
  NFTA_CHAIN_TYPE,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_TABLE_NAME,
  NFTA_TABLE_USERDATA,
  nftMessage,
} from "./constants.ts";
import { addRule } from "./rules.ts";
import { addSet } from "./sets.ts";

/** NF_INET_* in include/uapi/linux/netfilter.h; the bridge family counts the same way (NF_BR_*). */
const hookNumbers = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
/** NFTNL_UDATA_TABLE_COMMENT of libnftnl. */
const UDATA_COMMENT = 0;

/** A table without its elements. */
export interface Skeleton {
  /** Stored with the table and shown by "nft list"; changes with anything in the table but elements. */
  readonly comment: string;
  /** To a state without the table. */
  readonly create: readonly BatchStep[];
  /** To a state with or without the table, which is gone afterwards. */
  readonly clear: readonly BatchStep[];
}

export function skeletonOf(table: NftTable): Skeleton {
  checkNames(table);
  const content = [
    ...table.chains.map((chain) => addChain(table, chain)),
    ...table.sets.map((set, index) => addSet(table, set, index + 1)),
    ...table.chains.flatMap((chain) => chain.rules.map((rule) => addRule(table, chain, rule))),
  ];
  const hash = createHash("sha256")
    .update(Buffer.concat(content.map(stepMessage)))
    .digest("hex");
  const comment = `${table.name} ${hash.slice(0, 12)}`;
  return { comment, create: [addTable(table, comment), ...content], clear: clearTable(table) };
}

/** Deleting what may be absent would fail, so it is added first; adding is no error when it is there. */
export function clearTable(table: NftTable): BatchStep[] {
  const attributes = [textAttribute(NFTA_TABLE_NAME, table.name)];
  const step = { subject: `table ${table.name}`, flags: 0, family: table.family, attributes };
  return [
    { ...step, type: nftMessage.newTable, flags: NLM_F_CREATE },
    { ...step, type: nftMessage.delTable },
  ];
}

/** The comment that `addTable` stored; undefined when there is none. */
export function readComment(userData: Buffer): string | undefined {
  for (let at = 0; at + 2 <= userData.length; ) {
    const end = at + 2 + (userData[at + 1] ?? 0);
    if (userData[at] === UDATA_COMMENT && end <= userData.length) {
      return userData.toString("utf8", at + 2, end - 1);
    }
    at = end;
  }
  return undefined;
}

function addTable(table: NftTable, comment: string): BatchStep {
  const text = Buffer.from(`${comment}\0`, "utf8");
  return {
    subject: `table ${table.name}`,
    type: nftMessage.newTable,
    flags: NLM_F_CREATE,
    family: table.family,
    attributes: [
      textAttribute(NFTA_TABLE_NAME, table.name),
      attribute(NFTA_TABLE_USERDATA, Buffer.concat([Buffer.from([UDATA_COMMENT, text.length]), text])),
    ],
  };
}

function addChain(table: NftTable, chain: NftChain): BatchStep {
  return {
    subject: `chain ${chain.name}`,
    type: nftMessage.newChain,
    flags: NLM_F_CREATE,
    family: table.family,
    attributes: [
      textAttribute(NFTA_CHAIN_TABLE, table.name),
      textAttribute(NFTA_CHAIN_NAME, chain.name),
      ...hookAttributes(chain),
    ],
  };
}

function hookAttributes({ hook }: NftChain): Buffer[] {
  if (hook === undefined) {
    return [];
  }
  return [
    nested(NFTA_CHAIN_HOOK, [
      u32BigEndianAttribute(NFTA_HOOK_HOOKNUM, hookNumbers[hook.hook]),
      u32BigEndianAttribute(NFTA_HOOK_PRIORITY, hook.priority),
    ]),
    u32BigEndianAttribute(NFTA_CHAIN_POLICY, NF_ACCEPT),
    textAttribute(NFTA_CHAIN_TYPE, hook.type),
  ];
}

function checkNames(table: NftTable): void {
  const names = [table.name, ...table.chains.map(({ name }) => name), ...table.sets.map(({ name }) => name)];
  for (const name of names) {
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name) || name.length > MAX_NAME_BYTES) {
      throw new Error(`${JSON.stringify(name)} is not a name for a table, chain or set`);
    }
  }
}
