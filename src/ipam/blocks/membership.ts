import { randomUUID } from "node:crypto";
import { type AliveDocument, type HostDocument, readAlive, readHost } from "../../cluster/documents.ts";
import { aliveKey, hostKey } from "../../cluster/keys.ts";
import type { ClusterEntry, ClusterStore, LeaseId } from "../../cluster/port.ts";
import type { Logger } from "../../log.ts";
import type { Contact, HostIdentity } from "../../model/block.ts";
import type { Prefix } from "../../model/ip.ts";
import type { BlockStorePort } from "../../store/port.ts";
import { fenced, twin, unsettled } from "./refusals.ts";
import { type Clocks, silenceMs } from "./silence.ts";

export interface MembershipParts {
  readonly cluster: ClusterStore;
  readonly store: Pick<BlockStorePort, "loadIdentity" | "putIdentity">;
  readonly clocks: Clocks;
  readonly log: Logger;
  readonly hostName: string;
  /** How long blocks stay a silent host's. */
  readonly ownershipMs: number;
}

/** One look at the store that went well. */
export interface Meeting {
  readonly contact: Contact;
  /** As the others have it; higher than ours: they gave our blocks away. */
  readonly epoch: number;
}

/** Clocks of different machines do not run alike; quartz is better than this by far. */
const clockDrift = 0.98;
const rounds = 5;

/** What this host is to the others, and whether it may still believe that its blocks are its own. */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #instance = randomUUID();
  #identity: HostIdentity;
  #lease: LeaseId | undefined;
  #wasSeen = false;
  #twin: string | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    const found = parts.store.loadIdentity();
    this.#identity = found ?? { hostId: randomUUID(), epoch: 1, seenWallMs: parts.clocks.wallMs() };
    if (found === undefined) {
      parts.store.putIdentity(this.#identity);
    }
  }

  get hostId(): string {
    return this.#identity.hostId;
  }

  get hostName(): string {
    return this.#parts.hostName;
  }

  get epoch(): number {
    return this.#identity.epoch;
  }

  get silenceMs(): number {
    return silenceMs(this.#identity, this.#parts.clocks);
  }

  /** Undefined: new addresses of own blocks may be handed out. */
  refusal(subnet: Prefix): Error | undefined {
    if (this.#twin !== undefined) {
      return twin(this.hostName, this.#twin);
    }
    const { ownershipMs } = this.#parts;
    const silence = this.silenceMs;
    return silence < ownershipMs * clockDrift ? undefined : fenced(this.hostName, subnet, silence, ownershipMs);
  }

  /**
   * Shows that this host lives, and only then reads what the others say about it: who gives its blocks away does it the
   * other way round, so that one of the two sees the other.
   */
  async meet(): Promise<Meeting> {
    const contact = this.#now();
    this.#noteClock(contact.wallMs);
    await this.#showAlive();
    return { contact, epoch: await this.#readEpoch() };
  }

  /** The blocks were compared with the store, as of this meeting. */
  confirm({ contact }: Meeting): void {
    this.#keep({ ...this.#identity, contact });
  }

  adoptEpoch(epoch: number): void {
    this.#keep({ ...this.#identity, epoch });
  }

  #now(): Contact {
    const { clocks } = this.#parts;
    return { wallMs: clocks.wallMs(), uptimeMs: clocks.uptimeMs(), bootId: clocks.bootId };
  }

  #noteClock(wallMs: number): void {
    if (wallMs > this.#identity.seenWallMs) {
      this.#keep({ ...this.#identity, seenWallMs: wallMs });
    }
  }

  #keep(identity: HostIdentity): void {
    this.#parts.store.putIdentity(identity);
    this.#identity = identity;
  }

  async #showAlive(): Promise<void> {
    const { cluster, ownershipMs } = this.#parts;
    if (this.#lease === undefined || !(await cluster.renewLease(this.#lease))) {
      this.#lease = await cluster.grantLease(Math.max(1, Math.ceil(ownershipMs / 1000)));
    }
    const key = aliveKey(this.hostId);
    for (let round = 0; round < rounds; round += 1) {
      const entry = await cluster.get(key);
      const found = entry === undefined ? undefined : readAlive(entry.value);
      if (found?.instance === this.#instance && this.#wasSeen) {
        return;
      }
      this.#checkTwin(entry, found);
      const written = await cluster.put(key, this.#aliveText(), entry?.revision ?? "absent", { lease: this.#lease });
      if (written !== undefined) {
        this.#wasSeen = true;
        return;
      }
    }
    throw unsettled(`the sign of life of host ${this.hostName}`);
  }

  /** Our own former run is gone before we start; one that shows up later runs at the same time. */
  #checkTwin(entry: ClusterEntry | undefined, found: AliveDocument | undefined): void {
    if (entry !== undefined && this.#wasSeen && found?.instance !== this.#instance) {
      this.#twin = found?.name ?? "unknown";
      const error = twin(this.hostName, this.#twin);
      this.#parts.log.error("another host has this host's identity", { host: this.#twin });
      throw error;
    }
  }

  #aliveText(): string {
    const { hostId: id, hostName: name } = this;
    const document: AliveDocument = { version: 1, id, name, instance: this.#instance, at: new Date().toISOString() };
    return JSON.stringify(document);
  }

  async #readEpoch(): Promise<number> {
    const { cluster } = this.#parts;
    const key = hostKey(this.hostId);
    for (let round = 0; round < rounds; round += 1) {
      const entry = await cluster.get(key);
      const found = entry === undefined ? undefined : readHost(entry.value);
      if (found?.name === this.hostName) {
        return found.epoch;
      }
      const epoch = found?.epoch ?? this.epoch;
      const text = JSON.stringify(hostDocument(this.hostId, this.hostName, epoch, this.hostId));
      if ((await cluster.put(key, text, entry?.revision ?? "absent")) !== undefined) {
        return epoch;
      }
    }
    throw unsettled(`the record of host ${this.hostName}`);
  }
}

export function hostDocument(id: string, name: string, epoch: number, by: string): HostDocument {
  return { version: 1, id, name: name.slice(0, 255), epoch, by, at: new Date().toISOString() };
}
