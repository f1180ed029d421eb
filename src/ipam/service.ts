import { FairwayError } from "../errors.ts";
import type { IpAddress } from "../model/ip.ts";
import type { IpamCheck, IpamRelease, IpamReport } from "../model/ipam-report.ts";
import type { Registry } from "../store/registry.ts";
import type { AddressBook } from "./address-book.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";
import { ipamCheck, ipamReport, type ReportParts } from "./report.ts";

export interface IpamServiceParts {
  readonly book: AddressBook;
  readonly registry: Registry;
  readonly blocks: ClusterBlocks | undefined;
}

/** What people ask of the address book. */
export class IpamService {
  readonly #parts: IpamServiceParts;

  constructor(parts: IpamServiceParts) {
    this.#parts = parts;
  }

  async show(): Promise<IpamReport> {
    return await ipamReport(this.#reportParts());
  }

  async check(): Promise<IpamCheck> {
    return await ipamCheck(this.#reportParts());
  }

  /** For an address that no container of fairway has and no engine asks for any more. @throws FairwayError FW4004 */
  async releaseAddress(address: IpAddress): Promise<IpamRelease> {
    const { book, registry } = this.#parts;
    if (registry.hasAddress(address)) {
      throw notReleased(address, "a container has it", "remove the container, and its address goes with it");
    }
    const lease = book.heldLease(address);
    if (lease === undefined) {
      throw notReleased(
        address,
        "this host has not handed it out",
        "ask on the host that has its block: fairway ipam show",
      );
    }
    if (lease.use === "reserved") {
      throw notReleased(
        address,
        "it is a gateway, or its network keeps it free (--aux-address)",
        "remove the network, and its address goes with it",
      );
    }
    await book.releaseAddress(lease.poolId, address);
    return { apiVersion: "v1", released: [], kept: [], addresses: 1 };
  }

  /** @throws FairwayError FW4001, FW4002, FW4004 */
  async releaseHost(nameOrId: string, force: boolean): Promise<IpamRelease> {
    const { blocks } = this.#parts;
    if (blocks === undefined) {
      throw notReleased(`host ${nameOrId.slice(0, 64)}`, "no cluster is configured", "configure it: docs/ipam.md");
    }
    const { hostId, hostName } = blocks.membership;
    if (nameOrId === hostId || nameOrId === hostName) {
      const released = await blocks.releaseOwn();
      return { apiVersion: "v1", released, kept: blocks.all().map(({ block }) => block), addresses: 0 };
    }
    const { released, kept, addresses } = await blocks.releaseHost(nameOrId, force);
    return { apiVersion: "v1", released, kept, addresses };
  }

  #reportParts(): ReportParts {
    const { book, registry, blocks } = this.#parts;
    return { pools: () => book.pools(), registry, blocks };
  }
}

function notReleased(what: string, why: string, fix: string): FairwayError {
  return new FairwayError({ code: "FW4004", what: `${what} cannot be released`, why, fix });
}
