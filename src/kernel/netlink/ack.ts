import { errnoName } from "./errno.ts";
import { NLMSG_HEADER_BYTES, type ParsedMessage, parseAttributes, readText } from "./message.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Attributes follow. */
const NLM_F_ACK_TLVS = 0x200;
/** Of the request that failed only the header is echoed (NETLINK_CAP_ACK). */
const NLM_F_CAPPED = 0x100;
const NLMSGERR_ATTR_MSG = 1;
const ERROR_FIELD_BYTES = 4;

/** struct nlmsgerr, or the error number of NLMSG_DONE. Both start with a negative errno, or 0. */
export function parseAck(reply: ParsedMessage): { errno?: string; detail: string } {
  const error = reply.payload.length >= ERROR_FIELD_BYTES ? reply.payload.readInt32LE(0) : 0;
  const detail = (reply.flags & NLM_F_ACK_TLVS) === 0 ? "" : readDetail(reply);
  return error === 0 ? { detail } : { errno: errnoName(-error), detail };
}

function readDetail(reply: ParsedMessage): string {
  const text = parseAttributes(reply.payload.subarray(detailOffset(reply))).get(NLMSGERR_ATTR_MSG);
  return text === undefined ? "" : readText(text);
}

function detailOffset(reply: ParsedMessage): number {
  if (reply.type === NLMSG_DONE) {
    return ERROR_FIELD_BYTES;
  }
  const capped = (reply.flags & NLM_F_CAPPED) !== 0;
  const echoed = capped ? NLMSG_HEADER_BYTES : reply.payload.readUInt32LE(ERROR_FIELD_BYTES);
  return ERROR_FIELD_BYTES + ((echoed + 3) & ~3);
}
