/** An address book over a pretended disk, with a clock that tests move. */
import { AddressBook } from "../../../src/ipam/address-book.ts";
import type { PoolReply, PoolRequest } from "../../../src/ipam/ipam.ts";
import { type InterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import { Registry } from "../../../src/store/registry.ts";
import { createFakeLog } from "../../fakes/fake-log.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { ip } from "../../fakes/requests.ts";

/** What an engine says, in few words. */
export class BookRoom {
  readonly store: FakeStore;
  readonly registry: Registry;
  readonly log = createFakeLog();
  book: AddressBook;
  nowMs = 1_000_000;

  constructor(store = new FakeStore()) {
    this.store = store;
    this.registry = new Registry(this.store);
    this.book = this.#open();
  }

  /** The daemon starts again with what is on the disk. */
  restart(): void {
    this.book = this.#open();
  }

  pool(subnet?: string, more: { readonly range?: string; readonly v6?: boolean } = {}): Promise<PoolReply> {
    const request: PoolRequest = {
      ...(subnet === undefined ? {} : { subnet: parsePrefix(subnet) }),
      ...(more.range === undefined ? {} : { range: parsePrefix(more.range) }),
      ipv6: more.v6 ?? false,
      options: new Map(),
    };
    return this.book.requestPool(request);
  }

  gateway(poolId: string, address?: string): Promise<InterfaceAddress> {
    return this.book.requestAddress({
      poolId,
      isGateway: true,
      ...(address === undefined ? {} : { address: ip(address) }),
    });
  }

  /** Of a container: any address, or `--ip`. */
  address(poolId: string, wanted: { readonly ip?: string; readonly name?: string } = {}): Promise<InterfaceAddress> {
    return this.book.requestAddress({
      poolId,
      isGateway: false,
      ...(wanted.ip === undefined ? {} : { address: ip(wanted.ip) }),
      ...(wanted.name === undefined ? {} : { name: wanted.name }),
    });
  }

  release(poolId: string, address: string): Promise<void> {
    return this.book.releaseAddress(poolId, ip(address));
  }

  /** Addresses on the disk: "10.88.0.2", or "10.88.0.2 rests". */
  leases(): string[] {
    const { leases } = this.store.loadPools();
    return leases.map(({ address, releasedAtMs }) => `${address}${releasedAtMs === undefined ? "" : " rests"}`).sort();
  }

  #open(): AddressBook {
    return new AddressBook({
      store: this.store,
      registry: this.registry,
      log: this.log.logger,
      nowMs: () => this.nowMs,
    });
  }
}
