/** The JSON form of etcd's API: etcd api/etcdserverpb/rpc.proto through grpc-gateway. 64-bit numbers are texts. */
import { z } from "zod";
import type { ClusterEntry, LeaseId, Revision } from "../port.ts";

/** google.rpc.Code. */
export const codes = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  exhausted: 8,
  unimplemented: 12,
  outOfRange: 11,
  unauthenticated: 16,
} as const;

const int64 = z.string().regex(/^-?\d+$/);
const header = z.object({ revision: int64 });

/** Fields with their zero value are left out. */
const kv = z.object({ key: z.string(), value: z.string().default(""), mod_revision: int64 });
const kvs = z.array(kv).default([]);

export const RangeAnswer = z.object({ header, kvs, more: z.boolean().default(false) });
export type RangeAnswer = z.output<typeof RangeAnswer>;

export const TxnAnswer = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: z.object({ kvs }).optional() })).default([]),
});

export const LeaseAnswer = z.object({ ID: int64 });
/** A stream with one message. A lease that is over has no time left, and so no field that says so. */
export const KeepAliveAnswer = z.object({ result: z.object({ TTL: int64.default("0") }) });
export const TokenAnswer = z.object({ token: z.string() });
/** `error` is announced to go, `message` to stay. */
export const ErrorAnswer = z.object({ code: z.number(), message: z.string() });
/** An error within a stream. */
export const StreamErrorAnswer = z.object({
  error: z.object({ grpc_code: z.number().optional(), code: z.number().optional(), message: z.string() }),
});

export function toBase64(text: string | Buffer): string {
  return Buffer.from(text).toString("base64");
}

export function entryOf({ key, value, mod_revision }: z.output<typeof kv>): ClusterEntry {
  return {
    key: Buffer.from(key, "base64").toString("utf8"),
    value: Buffer.from(value, "base64").toString("utf8"),
    revision: mod_revision as Revision,
  };
}

/** The first key after all that begin with the prefix; a zero byte means the end of all keys. */
export function endOfPrefix(prefix: string): Buffer {
  const bytes = Buffer.from(prefix);
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    if ((bytes[at] ?? 0xff) < 0xff) {
      bytes[at] = (bytes[at] ?? 0) + 1;
      return bytes.subarray(0, at + 1);
    }
  }
  return Buffer.from([0]);
}

export function rangeBody(from: Buffer, end: Buffer, limit: number, revision: string | undefined): object {
  return {
    key: toBase64(from),
    range_end: toBase64(end),
    limit: String(limit),
    ...(revision === undefined ? {} : { revision }),
  };
}

function unchanged(key: string, expected: Revision | "absent"): object {
  const whole = { key: toBase64(key), result: "EQUAL" };
  return expected === "absent"
    ? { ...whole, target: "CREATE", create_revision: "0" }
    : { ...whole, target: "MOD", mod_revision: expected };
}

/** What is there instead comes with the answer. */
function otherwise(key: string): object[] {
  return [{ request_range: { key: toBase64(key) } }];
}

export function putBody(key: string, value: string, expected: Revision | "absent", lease: LeaseId | undefined): object {
  const put = { key: toBase64(key), value: toBase64(value), ...(lease === undefined ? {} : { lease }) };
  return { compare: [unchanged(key, expected)], success: [{ request_put: put }], failure: otherwise(key) };
}

export function deleteBody(key: string, expected: Revision): object {
  return {
    compare: [unchanged(key, expected)],
    success: [{ request_delete_range: { key: toBase64(key) } }],
    failure: otherwise(key),
  };
}
