import type { NftFamily } from "../../plan/ruleset.ts";
import { message, NLM_F_ACK } from "../netlink/message.ts";
import {
  BATCH_RESOURCE,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFPROTO_BRIDGE,
  NFPROTO_INET,
  NFPROTO_UNSPEC,
} from "./constants.ts";

/** A message of a batch with the object it is about, for error texts. */
export interface BatchStep {
  readonly subject: string;
  /** NFT_MSG_* with its subsystem. */
  readonly type: number;
  /** NLM_F_* apart from REQUEST and ACK. */
  readonly flags: number;
  readonly family: NftFamily;
  readonly attributes: readonly Buffer[];
}

const familyNumbers: Readonly<Record<NftFamily, number>> = { inet: NFPROTO_INET, bridge: NFPROTO_BRIDGE };
const flagsOffset = 6;

/**
 * A transaction: all or nothing. Only the last step asks for an acknowledgement; a step that fails is reported anyway.
 * The message of step i is at index i + 1.
 */
export function batch(steps: readonly BatchStep[]): Buffer[] {
  const messages = steps.map((step) => stepMessage(step));
  const last = messages.at(-1);
  last?.writeUInt16LE(last.readUInt16LE(flagsOffset) | NLM_F_ACK, flagsOffset);
  return [marker(NFNL_MSG_BATCH_BEGIN), ...messages, marker(NFNL_MSG_BATCH_END)];
}

export function stepMessage(step: BatchStep): Buffer {
  return message(step.type, step.flags, familyHeader(familyNumbers[step.family], 0), step.attributes);
}

function marker(type: number): Buffer {
  return message(type, 0, familyHeader(NFPROTO_UNSPEC, BATCH_RESOURCE), []);
}

/** struct nfgenmsg: family, version 0, resource id in network order. */
function familyHeader(family: number, resource: number): Buffer {
  return Buffer.from([family, 0, resource >> 8, resource & 0xff]);
}
