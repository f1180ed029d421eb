import { familyOf, type Prefix } from "../model/ip.ts";
import type { Division } from "../model/pool.ts";
import { isIpv6Length, type PoolOptions } from "../options/pool-options.ts";
import { isBlockLength, isWithin, longestBlock } from "./blocks/choice.ts";
import type { ClusterBlocks } from "./blocks/cluster-blocks.ts";
import { notDividedAnyMore, notInSubnet, pointlessOption } from "./refusals.ts";

export interface DivisionWish {
  readonly subnet: Prefix;
  readonly range: Prefix | undefined;
  readonly options: PoolOptions;
  /** Of a pool that the engine had before its restart: the hosts have agreed on it, and need not be asked. */
  readonly known: Division | undefined;
}

export interface Cluster {
  readonly blocks: Pick<ClusterBlocks, "ensurePool">;
  readonly flatSpace: readonly Prefix[];
}

/** Undefined: all of the subnet is this host's. @throws FairwayError FW1003, FW3010, FW4001, FW4002 */
export async function chooseDivision(wish: DivisionWish, cluster: Cluster | undefined): Promise<Division | undefined> {
  const { subnet, range, options } = wish;
  if (options.blocks !== undefined) {
    return fixed(subnet, range, options.blocks);
  }
  if (cluster?.flatSpace.some((space) => isWithin(subnet, space)) !== true) {
    if (wish.known?.kind === "cluster") {
      throw notDividedAnyMore(subnet, cluster !== undefined);
    }
    refuseClusterOptions(subnet, options, cluster !== undefined);
    return undefined;
  }
  refuseRange(subnet, range);
  const { blockSizes = [], borrow = false } = options;
  const blockSize = blockSizes.find((length) => isIpv6Length(length) === (familyOf(subnet) === "ipv6"));
  if (blockSize !== undefined && !isBlockLength(subnet, blockSize)) {
    throw notInSubnet(`a block of /${blockSize}`, subnet);
  }
  if (!isBlockLength(subnet, longestBlock[familyOf(subnet)])) {
    throw notInSubnet("a block of several addresses", subnet);
  }
  const { known } = wish;
  if (known?.kind === "cluster" && known.borrow === borrow && (blockSize ?? known.blockLength) === known.blockLength) {
    return known;
  }
  return { kind: "cluster", blockLength: await cluster.blocks.ensurePool(subnet, blockSize), borrow };
}

function fixed(subnet: Prefix, range: Prefix | undefined, blocks: readonly Prefix[]): Division {
  const block = blocks.find((one) => familyOf(one) === familyOf(subnet));
  if (block === undefined) {
    throw pointlessOption(
      `ipam option block=${blocks.join(",")} names no part of ${subnet}`,
      "an engine tells the options to both families, and each needs a block of its own",
      "name one of each family: --ipam-opt block=10.244.1.0/26,fd00:244::40/122",
    );
  }
  if (!isWithin(block, subnet)) {
    throw notInSubnet(`block ${block}`, subnet);
  }
  refuseRange(subnet, range);
  return { kind: "fixed", block };
}

function refuseRange(subnet: Prefix, range: Prefix | undefined): void {
  if (range !== undefined) {
    throw pointlessOption(
      `--ip-range ${range} has no meaning for ${subnet}, which several hosts divide`,
      "each host hands out addresses of its blocks",
      "leave out --ip-range; to give this host its part by hand, type --ipam-opt block=…",
    );
  }
}

function refuseClusterOptions(subnet: Prefix, { blockSizes, borrow }: PoolOptions, hasCluster: boolean): void {
  if (blockSizes === undefined && borrow === undefined) {
    return;
  }
  const name = blockSizes === undefined ? "borrow" : "block_size";
  throw pointlessOption(
    `ipam option ${name} has no meaning for ${subnet}, which is this host's alone`,
    hasCluster ? "it is outside the flatSpace of the configuration" : "no cluster is configured",
    `leave out ${name}, or configure cluster and flatSpace (docs/ipam.md)`,
  );
}
