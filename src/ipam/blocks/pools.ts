import { type PoolDocument, readPool } from "../../cluster/documents.ts";
import { poolKey, poolsPrefix } from "../../cluster/keys.ts";
import type { ClusterEntry, ClusterStore } from "../../cluster/port.ts";
import { type Prefix, prefixesOverlap } from "../../model/ip.ts";
import { defaultBlockLength } from "./choice.ts";
import { otherBlockSize, otherPool, strangePool } from "./refusals.ts";

/**
 * Makes the subnet known to all hosts. Two that make overlapping ones known at the same time: the later one yields.
 * @param wanted length of its blocks; absent: what is there, or the default
 * @returns the length of its blocks
 */
export async function ensurePool(
  cluster: ClusterStore,
  subnet: Prefix,
  hostId: string,
  wanted: number | undefined,
): Promise<number> {
  refuseOverlap(subnet, await cluster.list(poolsPrefix));
  const document: PoolDocument = {
    version: 1,
    subnet,
    blockLength: wanted ?? defaultBlockLength(subnet),
    by: hostId,
    at: new Date().toISOString(),
  };
  const created = await cluster.put(poolKey(subnet), JSON.stringify(document), "absent");
  const entries = await cluster.list(poolsPrefix);
  const own = entries.find(({ key }) => key === poolKey(subnet));
  const found = own === undefined ? undefined : readPool(own.value);
  if (own === undefined || found === undefined) {
    throw strangePool(subnet);
  }
  const earlier = entries.filter(({ revision }) => BigInt(revision) < BigInt(own.revision));
  try {
    refuseOverlap(subnet, earlier);
  } catch (error) {
    if (created !== undefined) {
      await cluster.delete(created.key, created.revision);
    }
    throw error;
  }
  if (wanted !== undefined && found.blockLength !== wanted) {
    throw otherBlockSize(subnet, wanted, found.blockLength);
  }
  return found.blockLength;
}

function refuseOverlap(subnet: Prefix, entries: readonly ClusterEntry[]): void {
  for (const { key, value } of entries) {
    const other = readPool(value);
    if (other === undefined) {
      throw strangePool(subnet);
    }
    if (key !== poolKey(subnet) && prefixesOverlap(other.subnet, subnet)) {
      throw otherPool(subnet, other.subnet);
    }
  }
}
