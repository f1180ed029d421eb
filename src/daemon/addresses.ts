import { AddressBook } from "../ipam/address-book.ts";
import { IpamService } from "../ipam/service.ts";
import { startUpkeep } from "../ipam/upkeep.ts";
import type { Logger } from "../log.ts";
import type { Prefix } from "../model/ip.ts";
import type { Registry } from "../store/registry.ts";
import type { SqliteStore } from "../store/sqlite-store.ts";
import { openCluster } from "./cluster.ts";
import type { Config } from "./config-schema.ts";

export interface Addresses extends AsyncDisposable {
  readonly book: AddressBook;
  readonly service: IpamService;
  /** Keeps contact with the other hosts from now on. @param onBlocks is told of each subnet whose blocks changed */
  begin(onBlocks: (subnet: Prefix) => Promise<void>): void;
}

/** Address management, with the blocks of several hosts where the configuration names a store that they share. */
export function openAddresses(
  config: Config,
  parts: { readonly store: SqliteStore; readonly registry: Registry; readonly log: Logger },
): Addresses {
  const stack = new AsyncDisposableStack();
  const { store, registry, log } = parts;
  const cluster = config.cluster === undefined ? undefined : stack.use(openCluster(config.cluster, store, log));
  const book = new AddressBook({
    ...parts,
    nowMs: Date.now,
    ...(cluster === undefined ? {} : { cluster: { blocks: cluster.blocks, flatSpace: config.flatSpace } }),
  });
  return {
    book,
    service: new IpamService({ book, registry, blocks: cluster?.blocks }),
    begin: (onBlocks) => {
      book.onBlocksChanged(onBlocks);
      if (cluster !== undefined) {
        stack.use(startUpkeep({ ...cluster, book, log }));
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
