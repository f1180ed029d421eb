/** Which block, and which part of it. Pure. */
import { createHash } from "node:crypto";
import {
  addressBits,
  boundsOf,
  familyOf,
  fromBigInt,
  hostOf,
  type IpAddress,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixLengthOf,
  toBigInt,
} from "../../model/ip.ts";

/** 64 addresses: enough for most hosts, and 1024 hosts fit into a /16. */
const defaultLength = { ipv4: 26, ipv6: 122 } as const;
/** A block has four addresses at least, and a subnet four blocks unless the user says otherwise. */
export const longestBlock = { ipv4: 30, ipv6: 126 } as const;

export function defaultBlockLength(subnet: Prefix): number {
  const family = familyOf(subnet);
  return Math.min(Math.max(defaultLength[family], prefixLengthOf(subnet) + 2), longestBlock[family]);
}

/** Can the subnet be divided into blocks of this length? */
export function isBlockLength(subnet: Prefix, length: number): boolean {
  return length > prefixLengthOf(subnet) && length <= longestBlock[familyOf(subnet)];
}

export function blockAt(address: IpAddress, length: number): Prefix {
  return parsePrefix(`${address}/${length}`);
}

/**
 * All blocks of the subnet, from one that differs from host to host, going round: hosts that claim at the same time
 * seldom want the same one.
 */
export function* blockOrder(subnet: Prefix, length: number, hostId: string): Generator<Prefix, void> {
  const count = 1n << BigInt(length - prefixLengthOf(subnet));
  const size = 1n << BigInt(addressBits(familyOf(subnet)) - length);
  const hash = createHash("sha256").update(`${hostId} ${subnet}`).digest("hex");
  const start = BigInt(`0x${hash}`) % count;
  const [first] = boundsOf(subnet);
  for (let step = 0n; step < count; step += 1n) {
    const address = fromBigInt(first + ((start + step) % count) * size, familyOf(subnet));
    yield `${address}/${length}` as Prefix;
  }
}

/** The engine's gateway of a divided subnet: the same on every host, and nobody's. */
export function commonGateway(subnet: Prefix): IpAddress {
  return fromBigInt(boundsOf(subnet)[0] + 1n, familyOf(subnet));
}

/** What an owner offers to others: the last quarter. */
export function offeredPart(block: Prefix): Prefix {
  const [first, last] = boundsOf(block);
  const start = first + (3n * (last - first + 1n)) / 4n;
  return `${fromBigInt(start, familyOf(block))}/${prefixLengthOf(block) + 2}` as Prefix;
}

/** A block without its last quarter. */
export function keptParts(block: Prefix): Prefix[] {
  const [first, last] = boundsOf(block);
  const family = familyOf(block);
  const half = first + (last - first + 1n) / 2n;
  const length = prefixLengthOf(block);
  return [`${hostOf(block)}/${length + 1}` as Prefix, `${fromBigInt(half, family)}/${length + 2}` as Prefix];
}

/** How many addresses, as far as a number counts. */
export function sizeOf(prefix: Prefix): number {
  return 2 ** (addressBits(familyOf(prefix)) - prefixLengthOf(prefix));
}

export function byAddress(a: Prefix, b: Prefix): number {
  const [first, second] = [toBigInt(hostOf(a)), toBigInt(hostOf(b))];
  return first < second ? -1 : first > second ? 1 : 0;
}

export function isWithin(inner: Prefix, outer: Prefix): boolean {
  return prefixLengthOf(inner) >= prefixLengthOf(outer) && prefixContains(outer, hostOf(inner));
}
