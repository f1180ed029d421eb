import {
  codes,
  deleteBody,
  endOfPrefix,
  entryOf,
  KeepAliveAnswer,
  LeaseAnswer,
  putBody,
  RangeAnswer,
  rangeBody,
  TxnAnswer,
  toBase64,
} from "./etcd/codec.ts";
import { refusedByEtcd } from "./etcd/refusals.ts";
import { type EtcdOptions, EtcdSession } from "./etcd/session.ts";
import type { ClusterEntry, ClusterStore, LeaseId, PutOptions, Revision } from "./port.ts";

export type { EtcdOptions } from "./etcd/session.ts";

/** A page is one answer in memory of the member and of this process. */
const pageSize = 1000;

/** etcd from 3.4 on, by its JSON gateway. */
export class EtcdStore implements ClusterStore {
  readonly #session: EtcdSession;

  constructor(options: EtcdOptions) {
    this.#session = new EtcdSession(options);
  }

  async get(key: string): Promise<ClusterEntry | undefined> {
    const { value } = await this.#session.call("/v3/kv/range", { key: toBase64(key) }, RangeAnswer);
    return value?.kvs.map(entryOf)[0];
  }

  async list(prefix: string): Promise<readonly ClusterEntry[]> {
    for (let round = 0; round < 3; round += 1) {
      const entries = await this.#listOnce(prefix);
      if (entries !== undefined) {
        return entries;
      }
    }
    throw refusedByEtcd(codes.outOfRange, "its history is compacted faster than the keys can be listed");
  }

  async put(
    key: string,
    value: string,
    expected: Revision | "absent",
    { lease }: PutOptions = {},
  ): Promise<ClusterEntry | undefined> {
    const body = putBody(key, value, expected, lease);
    const { value: answer, repeated } = await this.#session.call("/v3/kv/txn", body, TxnAnswer, true);
    if (answer?.succeeded) {
      return { key, value, revision: answer.header.revision as Revision };
    }
    const found = foundIn(answer?.responses);
    return repeated && found?.value === value ? found : undefined;
  }

  async delete(key: string, expected: Revision): Promise<boolean> {
    const body = deleteBody(key, expected);
    const { value: answer, repeated } = await this.#session.call("/v3/kv/txn", body, TxnAnswer, true);
    return answer?.succeeded === true || (repeated && answer !== undefined && foundIn(answer.responses) === undefined);
  }

  async grantLease(ttlSeconds: number): Promise<LeaseId> {
    const { value } = await this.#session.call("/v3/lease/grant", { TTL: String(ttlSeconds) }, LeaseAnswer, true);
    if (value === undefined) {
      throw refusedByEtcd(0, "it grants no lease");
    }
    return value.ID as LeaseId;
  }

  async renewLease(lease: LeaseId): Promise<boolean> {
    const { value } = await this.#session.call("/v3/lease/keepalive", { ID: lease }, KeepAliveAnswer, true);
    return value !== undefined && Number(value.result.TTL) > 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
  }

  /** Undefined: the revision that the first page was read at has been compacted away. */
  async #listOnce(prefix: string): Promise<readonly ClusterEntry[] | undefined> {
    const end = prefix === "" ? Buffer.from([0]) : endOfPrefix(prefix);
    const entries: ClusterEntry[] = [];
    let from = prefix === "" ? Buffer.from([0]) : Buffer.from(prefix);
    let revision: string | undefined;
    for (;;) {
      const body = rangeBody(from, end, pageSize, revision);
      const { value } = await this.#session.call("/v3/kv/range", body, RangeAnswer);
      if (value === undefined) {
        return undefined;
      }
      entries.push(...value.kvs.map(entryOf));
      const last = entries.at(-1);
      if (!value.more || last === undefined) {
        return entries;
      }
      revision = value.header.revision;
      from = Buffer.from(`${last.key}\0`);
    }
  }
}

function foundIn(responses: readonly { readonly response_range?: Pick<RangeAnswer, "kvs"> | undefined }[] = []) {
  return responses.flatMap(({ response_range }) => (response_range?.kvs ?? []).map(entryOf))[0];
}
