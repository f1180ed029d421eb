/** The addresses of one subnet: who has which, and which comes next. Pure but for the clock that the caller reads. */
import { boundsOf, familyOf, fromBigInt, type IpAddress, type Prefix, prefixContains, toBigInt } from "../model/ip.ts";
import type { Lease, SubnetPool } from "../model/pool.ts";

/** How long an address rests: neighbours, resolvers and flows must have forgotten its former holder. */
export const coolDownMs = 60_000;

/** What may be handed out, as it is at the moment. */
export interface Offer {
  readonly ranges: readonly Prefix[];
  /** Inside a range, and yet not to be had. */
  readonly withheld: readonly IpAddress[];
}

export class SubnetLeases {
  readonly pool: SubnetPool;
  readonly #offer: () => Offer;
  readonly #held = new Map<IpAddress, Lease>();
  /** In the order of their release. */
  readonly #resting = new Map<IpAddress, Lease>();
  readonly #restingByHolder = new Map<string, IpAddress>();
  /** By range, the next address of it that nobody has ever had. */
  readonly #next = new Map<Prefix, bigint>();
  #withheld = "";

  /** @param offer absent: the pool's range, or all of its subnet */
  constructor(pool: SubnetPool, leases: readonly Lease[], offer?: () => Offer) {
    this.pool = pool;
    const all: Offer = { ranges: [pool.range ?? pool.subnet], withheld: [] };
    this.#offer = offer ?? (() => all);
    for (const lease of leases.toSorted((a, b) => (a.releasedAtMs ?? 0) - (b.releasedAtMs ?? 0))) {
      this.put(lease);
    }
  }

  leaseAt(address: IpAddress): Lease | undefined {
    return this.#held.get(address) ?? this.#resting.get(address);
  }

  isHeld(address: IpAddress): boolean {
    return this.#held.has(address);
  }

  held(): readonly Lease[] {
    return [...this.#held.values()];
  }

  get heldCount(): number {
    return this.#held.size;
  }

  resting(): readonly Lease[] {
    return [...this.#resting.values()];
  }

  /** Is it among what may be handed out, held or not? */
  isOffered(address: IpAddress): boolean {
    const { ranges, withheld } = this.#offer();
    return ranges.some((range) => prefixContains(range, address)) && !withheld.includes(address);
  }

  /** The holder's own former address, else one that has rested, else a new one, else the one that rests longest. */
  choose(holder: string | undefined, nowMs: number): IpAddress | undefined {
    const own = holder === undefined ? undefined : this.#restingByHolder.get(holder);
    if (own !== undefined && this.isOffered(own)) {
      return own;
    }
    const oldest = [...this.#resting.keys()].find((address) => this.isOffered(address));
    const restedMs = nowMs - (oldest === undefined ? nowMs : (this.#resting.get(oldest)?.releasedAtMs ?? 0));
    return restedMs >= coolDownMs ? oldest : (this.#fresh() ?? oldest);
  }

  put(lease: Lease): void {
    this.#drop(lease.address);
    if (lease.releasedAtMs === undefined) {
      this.#held.set(lease.address, lease);
      return;
    }
    this.#resting.set(lease.address, lease);
    if (lease.holder !== undefined) {
      this.#restingByHolder.set(lease.holder, lease.address);
    }
  }

  /** As if nobody had ever had it. */
  delete(address: IpAddress): void {
    this.#drop(address);
    const value = toBigInt(address);
    for (const [range, next] of this.#next) {
      if (prefixContains(range, address) && value < next) {
        this.#next.set(range, value);
      }
    }
  }

  #drop(address: IpAddress): void {
    const holder = this.#resting.get(address)?.holder;
    if (holder !== undefined && this.#restingByHolder.get(holder) === address) {
      this.#restingByHolder.delete(holder);
    }
    this.#held.delete(address);
    this.#resting.delete(address);
  }

  #fresh(): IpAddress | undefined {
    const { ranges, withheld } = this.#offer();
    const text = withheld.join(" ");
    if (text !== this.#withheld) {
      // What was passed over may be free now.
      this.#next.clear();
      this.#withheld = text;
    }
    for (const range of ranges) {
      const address = this.#freshOf(range, withheld);
      if (address !== undefined) {
        return address;
      }
    }
    return undefined;
  }

  #freshOf(range: Prefix, withheld: readonly IpAddress[]): IpAddress | undefined {
    const [first, last] = usableBounds({ subnet: this.pool.subnet, range });
    const start = this.#next.get(range) ?? first;
    for (let value = start < first ? first : start; value <= last; value += 1n) {
      const address = fromBigInt(value, familyOf(range));
      this.#next.set(range, value + 1n);
      if (this.leaseAt(address) === undefined && !withheld.includes(address)) {
        return address;
      }
    }
    return undefined;
  }
}

/** Without the subnet's own address, and in IPv4 without the broadcast address (RFC 919; not for /31, RFC 3021). */
function usableBounds({ subnet, range }: Pick<SubnetPool, "subnet" | "range">): [bigint, bigint] {
  const [subnetFirst, subnetLast] = boundsOf(subnet);
  const [first, last] = boundsOf(range ?? subnet);
  const isIpv4 = familyOf(subnet) === "ipv4";
  const hasEnds = subnetLast - subnetFirst > 1n;
  return [
    hasEnds && first === subnetFirst ? first + 1n : first,
    hasEnds && isIpv4 && last === subnetLast ? last - 1n : last,
  ];
}

/** Can it be a host's? */
export function isUsable(subnet: Prefix, address: IpAddress): boolean {
  const [first, last] = usableBounds({ subnet });
  const value = toBigInt(address);
  return familyOf(subnet) === familyOf(address) && first <= value && value <= last;
}
