/**
 * Stand-in addresses: what a container that shares the host's address is called inside the host. They are on no wire and
 * in no container, only between the host's own hooks, so that routes and connection tracking can tell containers apart.
 */
import { type Family, fromBigInt, hostOf, type IpAddress, type Prefix, toBigInt } from "../model/ip.ts";

/** 240.0.0.0/4 is assigned to nobody (RFC 1112 section 4); the ULA prefix (RFC 4193) spells "fairway". */
export const standInPrefixes = {
  ipv4: "240.0.0.0/8" as Prefix,
  ipv6: "fd66:6169:7277:6179::/64" as Prefix,
} as const satisfies Record<Family, Prefix>;

/** Numbers below this one fit into both prefixes; 0 stays free. */
export const standInCount = 1 << 24;

export function standInOf(number: number, family: Family): IpAddress {
  const prefix = standInPrefixes[family];
  const first = toBigInt(hostOf(prefix));
  return fromBigInt(first + BigInt(number), family);
}

/** Where to look first for a free number: the same container id starts at the same place after a restart. */
export function standInSeed(id: string): number {
  return (Number.parseInt(id.slice(0, 12), 36) % (standInCount - 1)) + 1;
}
