/** What `fairway ipam show` and `check` tell. */
import { readAlive, readBlock, readHost } from "../cluster/documents.ts";
import { alivePrefix, blockOfKey, blocksPrefix, hostsPrefix } from "../cluster/keys.ts";
import { FairwayError } from "../errors.ts";
import { hostOf, type Prefix, prefixContains } from "../model/ip.ts";
import type { BlockReport, HostReport, IpamCheck, IpamReport, LeaseReport, PoolReport } from "../model/ipam-report.ts";
import type { Lease } from "../model/pool.ts";
import type { Registry } from "../store/registry.ts";
import { byAddress, commonGateway, sizeOf } from "./blocks/choice.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";
import type { SubnetLeases } from "./subnet-leases.ts";

export interface ReportParts {
  readonly pools: () => readonly SubnetLeases[];
  readonly registry: Registry;
  readonly blocks: ClusterBlocks | undefined;
}

export async function ipamReport({ pools, blocks }: ReportParts): Promise<IpamReport> {
  const found = blocks === undefined ? undefined : await askStore(blocks, pools());
  const self = blocks === undefined ? undefined : { id: blocks.membership.hostId, name: blocks.membership.hostName };
  return {
    apiVersion: "v1",
    ...(self === undefined ? {} : { host: self }),
    ...(found?.error === undefined ? {} : { storeError: found.error }),
    hosts: found?.hosts ?? [],
    pools: pools().map((leases) => poolReport(leases, found?.blocks.get(leases.pool.subnet), blocks)),
  };
}

/** Compares what the disk says, what the network driver knows, and what the store has. */
export async function ipamCheck(parts: ReportParts): Promise<IpamCheck> {
  const { pools, registry, blocks } = parts;
  const report = await ipamReport(parts);
  const isAsked = report.storeError === undefined;
  const disagreements = [
    ...(isAsked ? [] : [`the store was not asked: ${report.storeError}`]),
    ...pools().flatMap((leases) => leaseFaults(leases, registry)),
    ...(isAsked ? report.pools.flatMap((pool) => blockFaults(pool, new Set(blocks?.blocksOf(pool.subnet)))) : []),
  ];
  return { apiVersion: "v1", disagreements };
}

/** @param own by this host's disk */
function blockFaults({ division, blocks }: PoolReport, own: ReadonlySet<Prefix>): string[] {
  const byStore = new Set(blocks.filter((one) => one.own).map(({ block }) => block));
  return division !== "cluster"
    ? []
    : [
        ...[...own.difference(byStore)].map(
          (block) => `block ${block} is this host's by its disk, and not by the store`,
        ),
        ...[...byStore.difference(own)].map(
          (block) => `block ${block} is this host's by the store, and not by its disk`,
        ),
      ];
}

function leaseFaults(leases: SubnetLeases, registry: Registry): string[] {
  const { subnet, division } = leases.pool;
  const used = leases.held().filter(({ use }) => use === "container");
  const unknown = used.filter(({ address }) => !registry.hasAddress(address));
  const outside = division === undefined ? [] : used.filter((one) => !one.borrowedFrom && !isInOffer(leases, one));
  const endpoints = registry.endpoints().flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].filter((one) => one !== undefined));
  const ofSubnet = endpoints.map(hostOf).filter((address) => prefixContains(subnet, address));
  const unleased = ofSubnet.filter((address) => !leases.isHeld(address));
  return [
    ...unknown.map(({ address }) => `address ${address} is handed out, and no container of fairway has it`),
    ...outside.map(({ address }) => `address ${address} is in use, and its block is not this host's`),
    ...unleased.map((address) => `address ${address} is a container's, and was not handed out`),
  ];
}

/** In a block of this host, offered to others or not. */
function isInOffer(leases: SubnetLeases, { address }: Lease): boolean {
  return leases.isOffered(address) || address === commonGateway(leases.pool.subnet);
}

interface StoreAnswer {
  readonly error?: string;
  readonly hosts: readonly HostReport[];
  readonly blocks: ReadonlyMap<Prefix, readonly BlockReport[]>;
}

async function askStore(blocks: ClusterBlocks, pools: readonly SubnetLeases[]): Promise<StoreAnswer> {
  const { cluster, membership } = blocks;
  try {
    const alive = new Set((await cluster.list(alivePrefix)).map(({ value }) => readAlive(value)?.id));
    const hosts = (await cluster.list(hostsPrefix)).flatMap(({ value }) => {
      const found = readHost(value);
      return found === undefined ? [] : [{ id: found.id, name: found.name, alive: alive.has(found.id) }];
    });
    const found = new Map<Prefix, BlockReport[]>();
    for (const { subnet, division } of pools.map(({ pool }) => pool)) {
      const entries = division?.kind === "cluster" ? await cluster.list(blocksPrefix(subnet)) : [];
      found.set(
        subnet,
        entries.flatMap(({ key, value }) => blockReport(key, value, membership.hostId)),
      );
    }
    return { hosts, blocks: found };
  } catch (error) {
    if (error instanceof FairwayError) {
      return { error: error.message, hosts: [], blocks: new Map() };
    }
    throw error;
  }
}

function blockReport(key: string, value: string, hostId: string): BlockReport[] {
  const block = blockOfKey(key)?.block;
  const found = readBlock(value);
  if (block === undefined) {
    return [];
  }
  return [
    {
      block,
      owner: found?.ownerName ?? "unknown",
      ...(found === undefined ? {} : { ownerId: found.owner }),
      own: found?.owner === hostId,
      size: sizeOf(block),
      ...(found?.offered === undefined ? {} : { offered: found.offered }),
      lent: Object.fromEntries(Object.entries(found?.lent ?? {}).map(([address, { name }]) => [address, name])),
    },
  ];
}

function poolReport(
  leases: SubnetLeases,
  found: readonly BlockReport[] | undefined,
  blocks: ClusterBlocks | undefined,
): PoolReport {
  const { subnet, range, division } = leases.pool;
  const known = division?.kind === "cluster" ? (found ?? ownBlocks(subnet, blocks)) : fixedBlocks(leases);
  const withUse = known.map((one) => (one.own ? { ...one, used: usedIn(leases, one.block) } : one));
  return {
    subnet,
    division: division?.kind ?? "alone",
    ...(range === undefined ? {} : { range }),
    ...(division?.kind === "cluster" ? { blockLength: division.blockLength, borrow: division.borrow } : {}),
    blocks: withUse.toSorted((a, b) => byAddress(a.block, b.block)),
    leases: [...leases.held(), ...leases.resting()].map(leaseReport),
  };
}

function ownBlocks(subnet: Prefix, blocks: ClusterBlocks | undefined): BlockReport[] {
  const owner = blocks?.membership.hostName ?? "this host";
  const ownerId = blocks?.membership.hostId;
  return (blocks?.blocksOf(subnet) ?? []).map((block) => ({
    block,
    owner,
    ...(ownerId === undefined ? {} : { ownerId }),
    own: true,
    size: sizeOf(block),
    lent: {},
  }));
}

function fixedBlocks({ pool: { division } }: SubnetLeases): BlockReport[] {
  return division?.kind === "fixed"
    ? [{ block: division.block, owner: "this host", own: true, size: sizeOf(division.block), lent: {} }]
    : [];
}

function usedIn(leases: SubnetLeases, block: Prefix): number {
  return leases.held().filter(({ use, address }) => use === "container" && prefixContains(block, address)).length;
}

function leaseReport({ address, use, holder, releasedAtMs, borrowedFrom }: Lease): LeaseReport {
  return {
    address,
    state: releasedAtMs === undefined ? use : "resting",
    ...(holder === undefined ? {} : { holder }),
    ...(borrowedFrom === undefined ? {} : { borrowedFrom }),
  };
}
