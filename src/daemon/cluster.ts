import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { createClusterStore, type EtcdSettings } from "../cluster/create.ts";
import { ClusterBlocks } from "../ipam/blocks/cluster-blocks.ts";
import type { Clocks } from "../ipam/blocks/silence.ts";
import type { Logger } from "../log.ts";
import type { BlockStorePort } from "../store/port.ts";

/** The section `cluster` of the configuration. */
export interface ClusterSettings {
  readonly etcd: EtcdSettings;
  /** What the other hosts call this one; absent: its own name for itself. */
  readonly hostName?: string;
  /** How long a silent host's blocks stay its own; default 24. */
  readonly ownershipHours?: number;
}

export const defaultOwnershipHours = 24;

export interface ClusterRoom extends AsyncDisposable {
  readonly blocks: ClusterBlocks;
  readonly ownershipMs: number;
}

/** @throws FairwayError FW2005; the store is not asked yet. */
export function openCluster(settings: ClusterSettings, store: BlockStorePort, log: Logger): ClusterRoom {
  const cluster = createClusterStore(settings.etcd);
  const ownershipMs = (settings.ownershipHours ?? defaultOwnershipHours) * 3_600_000;
  const hostName = settings.hostName ?? hostname();
  const blocks = new ClusterBlocks({ cluster, store, clocks: hostClocks(), log, hostName, ownershipMs });
  return { blocks, ownershipMs, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

/** proc(5): both files are about the host, and the same in every namespace but that of time. */
export function hostClocks(): Clocks {
  return {
    wallMs: Date.now,
    uptimeMs: () => Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000),
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
  };
}
