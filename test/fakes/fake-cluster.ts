/** A cluster store in memory, and the network between it and its clients. */

import type { ClusterEntry, ClusterStore, LeaseId, PutOptions, Revision } from "../../src/cluster/port.ts";
import { FairwayError } from "../../src/errors.ts";

interface Stored {
  readonly value: string;
  readonly revision: number;
  readonly lease: LeaseId | undefined;
}

interface Lease {
  readonly ttlMs: number;
  endMs: number;
}

type Write = () => unknown;

/** What becomes of a client's next write: its answer is lost, it never arrives, or it arrives when nobody waits any more. */
export type Mishap = "answer lost" | "request lost" | "late";

/** The store itself: strict about what it is asked. */
export class FakeCluster {
  /** Milliseconds; leases are measured by it. */
  nowMs = 0;
  /** Most members are down: nobody gets an answer. */
  down = false;
  /** Every write that was carried out, as "put KEY". */
  readonly writes: string[] = [];
  /** For a test that has to know who took what away. */
  onChange: (writer: string, key: string, before: string | undefined, after: string | undefined) => void = () =>
    undefined;
  readonly #entries = new Map<string, Stored>();
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #writers = new Map<string, string>();
  #revision = 1;
  #late: Write[] = [];

  client(name: string): FakeClusterClient {
    return new FakeClusterClient(this, name);
  }

  /** Writes that were under way all the time arrive now. */
  deliverLate(): void {
    for (const write of this.#late.splice(0)) {
      write();
    }
  }

  postpone(write: Write): void {
    this.#late.push(write);
  }

  list(prefix: string): ClusterEntry[] {
    this.#expire();
    return [...this.#entries]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { value, revision }]) => ({ key, value, revision: String(revision) as Revision }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  get(key: string): ClusterEntry | undefined {
    checkKey(key);
    return this.list(key).find((entry) => entry.key === key);
  }

  put(
    writer: string,
    key: string,
    value: string,
    expected: Revision | "absent",
    lease: LeaseId | undefined,
  ): ClusterEntry | undefined {
    checkKey(key);
    this.#checkRevision(expected);
    this.#checkWriter(writer, key, value);
    if (!this.#isAsExpected(key, expected) || (lease !== undefined && !this.#leases.has(lease))) {
      return undefined;
    }
    this.onChange(writer, key, this.#entries.get(key)?.value, value);
    this.#revision += 1;
    this.#entries.set(key, { value, revision: this.#revision, lease });
    this.writes.push(`put ${key}`);
    return { key, value, revision: String(this.#revision) as Revision };
  }

  delete(writer: string, key: string, expected: Revision): boolean {
    checkKey(key);
    this.#checkRevision(expected);
    if (!this.#isAsExpected(key, expected)) {
      return false;
    }
    this.onChange(writer, key, this.#entries.get(key)?.value, undefined);
    this.#revision += 1;
    this.#entries.delete(key);
    this.writes.push(`delete ${key}`);
    return true;
  }

  grantLease(ttlSeconds: number): LeaseId {
    if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1) {
      throw new Error(`a lease of ${ttlSeconds} s is none`);
    }
    this.#revision += 1;
    const id = String(this.#revision) as LeaseId;
    this.#leases.set(id, { ttlMs: ttlSeconds * 1000, endMs: this.nowMs + ttlSeconds * 1000 });
    return id;
  }

  renewLease(id: LeaseId): boolean {
    this.#expire();
    const lease = this.#leases.get(id);
    if (lease === undefined) {
      return false;
    }
    lease.endMs = this.nowMs + lease.ttlMs;
    return true;
  }

  #isAsExpected(key: string, expected: Revision | "absent"): boolean {
    this.#expire();
    const stored = this.#entries.get(key);
    return expected === "absent" ? stored === undefined : String(stored?.revision) === expected;
  }

  #checkRevision(expected: Revision | "absent"): void {
    if (expected !== "absent" && !(/^\d+$/.test(expected) && Number(expected) <= this.#revision)) {
      throw new Error(`revision ${expected} was never given`);
    }
  }

  /** An adapter takes its own text for its own write. */
  #checkWriter(writer: string, key: string, value: string): void {
    const text = `${key} ${value}`;
    const earlier = this.#writers.get(text) ?? writer;
    if (earlier !== writer) {
      throw new Error(`${writer} writes the same text as ${earlier}: ${text}`);
    }
    this.#writers.set(text, writer);
  }

  #expire(): void {
    for (const [id, { endMs }] of this.#leases) {
      if (endMs <= this.nowMs) {
        this.#leases.delete(id);
        for (const [key, { lease }] of this.#entries) {
          if (lease === id) {
            this.#revision += 1;
            this.#entries.delete(key);
          }
        }
      }
    }
  }
}

/** One host's way to it. */
export class FakeClusterClient implements ClusterStore {
  /** Cut off: nothing arrives. */
  unreachable = false;
  /** One for each of the next writes. */
  readonly mishaps: Mishap[] = [];
  readonly #cluster: FakeCluster;
  readonly #name: string;

  constructor(cluster: FakeCluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
  }

  async get(key: string): Promise<ClusterEntry | undefined> {
    return await this.#read(() => this.#cluster.get(key));
  }

  async list(prefix: string): Promise<readonly ClusterEntry[]> {
    return await this.#read(() => this.#cluster.list(prefix));
  }

  async put(key: string, value: string, expected: Revision | "absent", { lease }: PutOptions = {}) {
    return await this.#write(() => this.#cluster.put(this.#name, key, value, expected, lease));
  }

  async delete(key: string, expected: Revision): Promise<boolean> {
    return await this.#write(() => this.#cluster.delete(this.#name, key, expected));
  }

  async grantLease(ttlSeconds: number): Promise<LeaseId> {
    return await this.#write(() => this.#cluster.grantLease(ttlSeconds));
  }

  async renewLease(lease: LeaseId): Promise<boolean> {
    return await this.#write(() => this.#cluster.renewLease(lease));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unreachable = true;
  }

  async #read<T>(read: () => T): Promise<T> {
    await undefined;
    if (this.unreachable || this.#cluster.down) {
      throw unanswered();
    }
    const result = read();
    await undefined;
    return result;
  }

  async #write<T>(write: () => T): Promise<T> {
    await undefined;
    const mishap = this.unreachable || this.#cluster.down ? "request lost" : this.mishaps.shift();
    if (mishap === "late") {
      this.#cluster.postpone(write);
    }
    if (mishap === "late" || mishap === "request lost") {
      throw unanswered();
    }
    const result = write();
    await undefined;
    if (mishap === "answer lost") {
      throw unanswered();
    }
    return result;
  }
}

function unanswered(): FairwayError {
  return new FairwayError({ code: "FW4001", what: "the cluster store does not answer: fake" });
}

function checkKey(key: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must not be there
  if (!/^\/[^\u0000-\u001f\u007f]+$/.test(key)) {
    throw new Error(`${JSON.stringify(key)} is no key`);
  }
}
