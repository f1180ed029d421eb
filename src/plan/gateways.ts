/** Link-local gateways of networks that share the host's address. A container with two such networks must tell them apart. */
import { type Family, fromBigInt, hostOf, type IpAddress, type Prefix, prefixContains, toBigInt } from "../model/ip.ts";

/** RFC 3927 leaves addresses to whoever is on the link; here that is one container and the host. */
export const gatewayPrefixes: Readonly<Record<Family, Prefix>> = {
  ipv4: "169.254.80.0/20" as Prefix,
  ipv6: "fe80::fa17:0:0/96" as Prefix,
};

/** Numbers that both prefixes have, without the first and last one of the IPv4 prefix. */
const gatewayCount = 4094;

/** @param number from 1 to 4094 */
function gatewayOf(number: number, family: Family): IpAddress {
  const prefix = gatewayPrefixes[family];
  return fromBigInt(toBigInt(hostOf(prefix)) + BigInt(number), family);
}

/** Could it have come from here? */
export function isOwnGateway(address: IpAddress): boolean {
  return prefixContains(gatewayPrefixes.ipv4, address) || prefixContains(gatewayPrefixes.ipv6, address);
}

/** The first free gateway; undefined when all are taken. */
export function freeGateway(family: Family, isTaken: (gateway: IpAddress) => boolean): IpAddress | undefined {
  for (let number = 1; number <= gatewayCount; number += 1) {
    const gateway = gatewayOf(number, family);
    if (!isTaken(gateway)) {
      return gateway;
    }
  }
  return undefined;
}
