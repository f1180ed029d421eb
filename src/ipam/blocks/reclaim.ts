/** Gives the blocks of a host that is gone to the others. */
import { type HostDocument, readBlock, readHost } from "../../cluster/documents.ts";
import { aliveKey, allBlocksPrefix, blockOfKey, hostKey, hostsPrefix } from "../../cluster/keys.ts";
import type { ClusterEntry, ClusterStore } from "../../cluster/port.ts";
import { FairwayError } from "../../errors.ts";
import type { Prefix } from "../../model/ip.ts";
import type { Loans } from "./loans.ts";
import { hostDocument } from "./membership.ts";

export const signOfLife = "it has shown a sign of life within the time that it may be silent";

export interface ReleaseReport {
  readonly host: string;
  readonly hostId: string;
  readonly released: readonly Prefix[];
  /** Addresses that it had borrowed. */
  readonly addresses: number;
  /** Blocks that stay, because others have addresses of them or they changed meanwhile. */
  readonly kept: readonly Prefix[];
}

interface FoundHost {
  readonly entry: ClusterEntry;
  readonly document: HostDocument;
}

/** @throws FairwayError FW4004 unless exactly one host is meant. */
export async function findHost(cluster: ClusterStore, nameOrId: string): Promise<FoundHost> {
  const entries = await cluster.list(hostsPrefix);
  const hosts = entries.flatMap((entry) => {
    const document = readHost(entry.value);
    return document === undefined ? [] : [{ entry, document }];
  });
  const [found, ...others] = hosts.filter(({ document }) => document.id === nameOrId || document.name === nameOrId);
  if (found === undefined || others.length > 0) {
    throw new FairwayError({
      code: "FW4004",
      what: `${found === undefined ? "no host is" : "several hosts are"} called ${JSON.stringify(nameOrId.slice(0, 64))}`,
      fix: "take the name or the id from `fairway ipam show`",
    });
  }
  return found;
}

/**
 * First the host's epoch goes up, then it is looked once more whether it lives, then its blocks go, each from the revision
 * that was read. A host that comes back shows its sign of life first and reads its epoch then: one of the two always sees
 * the other.
 */
export async function reclaimHost(
  cluster: ClusterStore,
  loans: Loans,
  nameOrId: string,
  by: { readonly hostId: string; readonly force: boolean },
): Promise<ReleaseReport> {
  const { entry, document } = await findHost(cluster, nameOrId);
  const { id, name, epoch } = document;
  await refuseLiving(cluster, document, by.force);
  const next = JSON.stringify(hostDocument(id, name, epoch + 1, by.hostId));
  if ((await cluster.put(hostKey(id), next, entry.revision)) === undefined) {
    throw stillThere(name, "its record has just changed");
  }
  await refuseLiving(cluster, document, by.force);
  const [released, kept]: [Prefix[], Prefix[]] = [[], []];
  let addresses = 0;
  for (const found of await cluster.list(allBlocksPrefix)) {
    const place = blockOfKey(found.key);
    const block = readBlock(found.value);
    if (place === undefined || block === undefined) {
      continue;
    }
    if (block.owner !== id) {
      addresses += await loans.forgetHost(place.subnet, found, id, epoch);
    } else if (block.epoch <= epoch) {
      const isFree = Object.values(block.lent ?? {}).every(({ host }) => host === id);
      const isGone = isFree && (await cluster.delete(found.key, found.revision));
      (isGone ? released : kept).push(place.block);
    }
  }
  return { host: name, hostId: id, released, addresses, kept };
}

async function refuseLiving(cluster: ClusterStore, { id, name }: HostDocument, force: boolean): Promise<void> {
  if (!force && (await cluster.get(aliveKey(id))) !== undefined) {
    throw stillThere(name, signOfLife);
  }
}

export function stillThere(name: string, why: string): FairwayError {
  return new FairwayError({
    code: "FW4004",
    what: `the blocks of host ${JSON.stringify(name.slice(0, 64))} cannot be released`,
    why,
    fix: "wait until its ownership is over; --force is for a host that is certainly switched off",
  });
}
