import { type Family, familyOf, hostOf, type IpAddress } from "../../model/ip.ts";
import { Rtnetlink } from "../link/rtnetlink.ts";
import type { NetlinkTransport } from "../netlink/transport.ts";
import { mapInTurns } from "../netlink/turns.ts";
import { type ConntrackPort, type FlowFilter, isKernelError, KernelError } from "../ports.ts";
import { deleteFlow, deleteMatching, type Flow, listFlows, parseFlow } from "./codec.ts";
import { matcherOf, needsLocal, patternsOf } from "./matching.ts";

/** Long enough to collect what one engine command sets off, short enough that nobody talks to a wrong container. */
const delayMs = 5;
/** Measured: a search takes the kernel 1.3 ms plus 0.25 us per entry; listing takes 10 us per entry. */
const maxSearches = 16;
/** Other work waits for the thread that talks to the kernel; so it gets it back after a few searches. */
const searchesPerRequest = 2;
const deletionsPerRequest = 100;
/** What a kernel without this interface answers; one without conntrack has nothing to forget. */
const absent = ["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"] as const;

export interface ConntrackOptions {
  /** Takes failures: the work is done in the background, where nobody waits for them. */
  readonly onError: (error: Error) => void;
  /** False: list and delete, as on kernels before 6.8. */
  readonly searchInKernel?: boolean;
}

/**
 * Deletes conntrack entries over ctnetlink. A published port, and a container that is gone, would otherwise live on in
 * the translation of flows that exist already.
 */
export class NetlinkConntrack implements ConntrackPort {
  readonly #transport: NetlinkTransport;
  readonly #onError: (error: Error) => void;
  #canSearch: boolean;
  #queued: FlowFilter[] = [];
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(transport: NetlinkTransport, options: ConntrackOptions) {
    this.#transport = transport;
    this.#onError = options.onError;
    this.#canSearch = options.searchInKernel ?? true;
  }

  forgetLater(filters: readonly FlowFilter[]): void {
    this.#queued.push(...filters);
    this.#timer ??= setTimeout(() => this.#begin(), delayMs);
  }

  /** Resolves when all entries that were to be forgotten until now are deleted, or their deletion failed. */
  async settled(): Promise<void> {
    this.#begin();
    await this.#work;
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const filters = withoutDuplicates(this.#queued.splice(0));
    if (filters.length > 0) {
      this.#work = this.#work.then(() => this.#forget(filters)).catch((error) => this.#onError(asError(error)));
    }
  }

  async #forget(filters: readonly FlowFilter[]): Promise<void> {
    const local = needsLocal(filters) ? await this.#localAddresses() : [];
    for (const [family, members] of Map.groupBy(filters, ({ address }) => familyOf(address))) {
      const searchable = family === "ipv4" && this.#canSearch;
      const patterns = searchable ? patternsOf(members, local, maxSearches) : undefined;
      const done = patterns !== undefined && (await this.#inKernel(patterns.map(deleteMatching)));
      if (!done) {
        await this.#byListing(family, matcherOf(members, local));
      }
    }
  }

  /** By netlink: os.networkInterfaces() holds the thread for seconds once there are thousands of interfaces. */
  async #localAddresses(): Promise<readonly IpAddress[]> {
    const all = await new Rtnetlink(this.#transport).listAllAddresses();
    return [...new Set(all.map(({ address }) => hostOf(address)))];
  }

  /** False when this kernel does not search. */
  async #inKernel(requests: readonly Buffer[]): Promise<boolean> {
    for (const chunk of chunks(requests, searchesPerRequest)) {
      const refused = await this.#firstRefusal(chunk);
      if (refused !== undefined && isKernelError(refused, ...absent)) {
        this.#canSearch = false;
        return false;
      }
      if (refused !== undefined) {
        throw refused;
      }
    }
    return true;
  }

  async #byListing(family: Family, matches: (flow: Flow) => boolean): Promise<void> {
    const deletions = await mapInTurns(await this.#list(family), (reply) => {
      const flow = parseFlow(reply);
      return flow !== undefined && matches(flow) ? deleteFlow(flow) : undefined;
    });
    const requests = deletions.filter((request) => request !== undefined);
    for (const chunk of chunks(requests, deletionsPerRequest)) {
      const refused = await this.#firstRefusal(chunk);
      if (refused !== undefined) {
        throw refused;
      }
    }
  }

  async #list(family: Family): Promise<readonly Buffer[]> {
    try {
      return await this.#transport.dump("netfilter", listFlows(family));
    } catch (error) {
      if (isKernelError(error, ...absent)) {
        return [];
      }
      throw error;
    }
  }

  /** An entry that ended by itself meanwhile is no refusal. */
  async #firstRefusal(requests: readonly Buffer[]): Promise<KernelError | undefined> {
    const acks = await this.#transport.transact("netfilter", requests);
    const refused = acks.find(({ errno }) => errno !== undefined && errno !== "ENOENT");
    return refused?.errno === undefined
      ? undefined
      : new KernelError("conntrack deletion", refused.errno, refused.detail);
  }
}

function withoutDuplicates(filters: readonly FlowFilter[]): FlowFilter[] {
  return [...new Map(filters.map((filter) => [JSON.stringify(filter), filter])).values()];
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) {
    yield items.slice(at, at + size);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
