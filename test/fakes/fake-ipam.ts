import type { AddressRequest, Ipam, PoolReply, PoolRequest } from "../../src/ipam/ipam.ts";
import {
  boundsOf,
  familyOf,
  fromBigInt,
  type InterfaceAddress,
  type IpAddress,
  type Prefix,
  parseIpAddress,
  prefixLengthOf,
} from "../../src/model/ip.ts";

interface FakePool {
  readonly subnet: Prefix;
  readonly held: Set<IpAddress>;
  next: bigint;
}

/** Hands out addresses in their order, calls pools by their subnet, and notes what no engine would ask. */
export class FakeIpam implements Ipam {
  readonly calls: { readonly method: keyof Ipam; readonly request: unknown }[] = [];
  readonly violations: string[] = [];
  readonly pools = new Map<string, FakePool>();
  replays = 0;

  beginReplay(): void {
    this.replays += 1;
  }

  async requestPool(request: PoolRequest): Promise<PoolReply> {
    this.calls.push({ method: "requestPool", request });
    const subnet = request.subnet ?? ("10.99.0.0/24" as Prefix);
    const poolId = `fairway/${subnet}`;
    this.#expect(!this.pools.has(poolId), `pool ${poolId} twice`);
    this.pools.set(poolId, { subnet, held: new Set(), next: boundsOf(subnet)[0] + 1n });
    return { poolId, subnet };
  }

  async releasePool(poolId: string): Promise<void> {
    this.calls.push({ method: "releasePool", request: { poolId } });
    this.#expect((this.pools.get(poolId)?.held.size ?? 0) === 0, `pool ${poolId} released before its addresses`);
    this.pools.delete(poolId);
  }

  async requestAddress(request: AddressRequest): Promise<InterfaceAddress> {
    this.calls.push({ method: "requestAddress", request });
    const pool = this.pools.get(request.poolId);
    if (pool === undefined) {
      this.#expect(false, `no pool ${request.poolId}`);
      return `${parseIpAddress("10.99.0.1")}/24` as InterfaceAddress;
    }
    const address = request.address ?? fromBigInt(pool.next, familyOf(pool.subnet));
    pool.next += request.address === undefined ? 1n : 0n;
    this.#expect(!pool.held.has(address), `address ${address} twice`);
    pool.held.add(address);
    return `${address}/${prefixLengthOf(pool.subnet)}` as InterfaceAddress;
  }

  async releaseAddress(poolId: string, address: IpAddress): Promise<void> {
    this.calls.push({ method: "releaseAddress", request: { poolId, address } });
    this.pools.get(poolId)?.held.delete(address);
  }

  #expect(condition: boolean, otherwise: string): void {
    if (!condition) {
      this.violations.push(otherwise);
    }
  }
}
