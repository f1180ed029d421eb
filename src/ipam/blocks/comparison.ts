import { randomUUID } from "node:crypto";
import { addressesLent, type BlockDocument } from "../../cluster/documents.ts";
import { blockKey, blockOfKey, blocksPrefix } from "../../cluster/keys.ts";
import type { ClusterEntry } from "../../cluster/port.ts";
import type { OwnedBlock } from "../../model/block.ts";
import type { Prefix } from "../../model/ip.ts";
import { type BlockClaims, understood } from "./claims.ts";
import type { Loans } from "./loans.ts";
import type { BlockParts } from "./parts.ts";
import { unsettled } from "./refusals.ts";

const rounds = 5;

export interface Comparison {
  readonly parts: BlockParts;
  readonly claims: BlockClaims;
  readonly loans: Loans;
  readonly onLost: (lost: OwnedBlock) => void;
}

/** Are our blocks still ours? When this returns, they are, and the time of it is on the disk. */
export async function compareWithStore(comparison: Comparison): Promise<void> {
  const { membership, ledger, use } = comparison.parts;
  const meeting = await membership.meet();
  if (meeting.epoch > membership.epoch) {
    // Our blocks were given away, or are being given away: nothing more out of them until each was looked at.
    ledger.all().map(({ block }) => ledger.hold(block));
    membership.adoptEpoch(meeting.epoch);
  }
  const shared = use()
    .subnets()
    .map(({ subnet }) => subnet);
  for (const subnet of new Set([...shared, ...ledger.all().map((one) => one.subnet)])) {
    await compareSubnet(comparison, subnet);
  }
  membership.confirm(meeting);
}

async function compareSubnet(comparison: Comparison, subnet: Prefix): Promise<void> {
  const { cluster, ledger, use } = comparison.parts;
  // Before the store is asked: what is claimed after it is not missing there.
  const own = ledger.all().filter((one) => one.subnet === subnet);
  const loans = use().loans(subnet);
  const entries = new Map<Prefix, ClusterEntry>();
  for (const entry of await cluster.list(blocksPrefix(subnet))) {
    const place = blockOfKey(entry.key);
    if (place !== undefined) {
      entries.set(place.block, entry);
    }
  }
  for (const one of own) {
    await compareBlock(comparison, one, entries.get(one.block));
  }
  await takeOrphans(comparison, subnet, entries);
  await comparison.loans.compare(subnet, entries, loans);
}

async function compareBlock(comparison: Comparison, one: OwnedBlock, listed: ClusterEntry | undefined): Promise<void> {
  const { cluster, ledger } = comparison.parts;
  let entry = listed;
  for (let round = 0; round < rounds; round += 1) {
    if (ledger.find(one.block) !== one) {
      return;
    }
    if (one.state === "returning") {
      await comparison.claims.finishReturn(one);
      return;
    }
    if (await settle(comparison, one, entry)) {
      return;
    }
    entry = await cluster.get(blockKey(one.subnet, one.block));
  }
  throw unsettled(`block ${one.block}`);
}

/** False: the store has changed meanwhile. */
async function settle(comparison: Comparison, one: OwnedBlock, entry: ClusterEntry | undefined): Promise<boolean> {
  const { membership, ledger, use } = comparison.parts;
  const found = entry === undefined ? undefined : understood(entry, one.subnet);
  if (found !== undefined && found.owner !== membership.hostId) {
    await lose(comparison, one);
    return true;
  }
  if (entry === undefined && use().held(one.subnet, one.block) === 0) {
    await lose(comparison, one);
    return true;
  }
  if (entry === undefined || found === undefined || found.epoch < membership.epoch || one.epoch < membership.epoch) {
    return await confirmBlock(comparison, one, entry, found);
  }
  if (ledger.find(one.block) === one) {
    takeOver(comparison, one, found);
    ledger.letGo(one.block);
  }
  return true;
}

/** Running containers have addresses of it, or it is of an earlier epoch: ours only if the store takes it once more. */
async function confirmBlock(
  comparison: Comparison,
  one: OwnedBlock,
  entry: ClusterEntry | undefined,
  found: BlockDocument | undefined,
): Promise<boolean> {
  const { cluster, membership, ledger } = comparison.parts;
  const { hostId, hostName, epoch } = membership;
  const document: BlockDocument = {
    ...(found ?? { version: 1, owner: hostId, claimedAt: new Date().toISOString() }),
    ownerName: hostName.slice(0, 255),
    epoch,
    by: hostId,
    mark: randomUUID(),
  };
  const key = blockKey(one.subnet, one.block);
  const written = await cluster.put(key, JSON.stringify(document), entry?.revision ?? "absent");
  if (written !== undefined && ledger.find(one.block) === one) {
    takeOver(comparison, one, document);
    ledger.letGo(one.block);
  }
  return written !== undefined;
}

/** What the others have of the block is known from its document only. */
function takeOver({ parts: { ledger } }: Comparison, one: OwnedBlock, found: BlockDocument): void {
  const { offered: _o, lent: _l, ...bare } = one;
  const lent = addressesLent(found);
  const next: OwnedBlock = {
    ...bare,
    epoch: found.epoch,
    ...(found.offered === undefined ? {} : { offered: found.offered }),
    ...(lent.length === 0 ? {} : { lent }),
  };
  if (JSON.stringify(next) !== JSON.stringify(one)) {
    ledger.put(next);
  }
}

async function lose(comparison: Comparison, one: OwnedBlock): Promise<void> {
  const { ledger, log, use, announce } = comparison.parts;
  const { subnet, block } = one;
  if (ledger.find(block) !== one) {
    return;
  }
  ledger.delete(block);
  const inUse = use().held(subnet, block);
  log.error("a block of addresses is not this host's any more", { subnet, block, addressesInUse: inUse });
  comparison.onLost(one);
  await announce(subnet);
}

/** Ours by the store, and the disk knows nothing: the daemon ended in between, or an answer was lost. */
async function takeOrphans(
  { parts, claims }: Comparison,
  subnet: Prefix,
  entries: ReadonlyMap<Prefix, ClusterEntry>,
): Promise<void> {
  const { cluster, ledger, membership, use } = parts;
  for (const [block, entry] of entries) {
    const found = understood(entry, subnet);
    if (found.owner !== membership.hostId || ledger.find(block) !== undefined || claims.isPending(block)) {
      continue;
    }
    if (
      use()
        .subnets()
        .some((pool) => pool.subnet === subnet) ||
      addressesLent(found).length > 0
    ) {
      await claims.adopt(subnet, block, entry, found);
    } else {
      await cluster.delete(entry.key, entry.revision);
    }
  }
}
