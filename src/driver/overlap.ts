/** Two networks in the same addresses, or a network in the host's own: traffic would go to the wrong place silently. */
import { FairwayError } from "../errors.ts";
import type { HostRoute } from "../kernel/ports.ts";
import { type Prefix, prefixesOverlap, prefixLengthOf } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { gatewayPrefixes } from "../plan/gateways.ts";
import { standInPrefixes } from "../plan/stand-in.ts";
import { subnetsOf } from "./network-record.ts";

export function overlappingNetworks(wanted: Network, existing: readonly Network[]): Network[] {
  return existing.filter(
    (other) =>
      other.id !== wanted.id && subnetsOf(other).some((a) => subnetsOf(wanted).some((b) => prefixesOverlap(a, b))),
  );
}

/** Addresses that mean something else on every host (RFC 6890), or that mode host gives a meaning of its own. */
const reserved: readonly (readonly [prefix: Prefix, what: string])[] = [
  ["0.0.0.0/8" as Prefix, "this network"],
  ["127.0.0.0/8" as Prefix, "the host's loopback"],
  ["224.0.0.0/4" as Prefix, "multicast"],
  [gatewayPrefixes.ipv4, "gateways of modes host and routed"],
  [gatewayPrefixes.ipv6, "gateways of modes host and routed"],
  [standInPrefixes.ipv4, "addresses of containers of mode host inside this host"],
  [standInPrefixes.ipv6, "addresses of containers of mode host inside this host"],
  ["::/127" as Prefix, "the host's loopback"],
  ["ff00::/8" as Prefix, "multicast"],
];

/** @throws FairwayError FW3002 */
export function refuseReserved(subnets: readonly Prefix[]): void {
  for (const subnet of subnets) {
    const found = reserved.find(([prefix]) => prefixesOverlap(prefix, subnet));
    if (found !== undefined) {
      throw new FairwayError({
        code: "FW3002",
        what: `subnet ${subnet} overlaps with ${found[0]}`,
        why: `these addresses are for ${found[1]}`,
        fix: "choose another --subnet, or leave it out and let the engine choose",
      });
    }
  }
}

export interface RouteConflict {
  readonly subnet: Prefix;
  readonly route: HostRoute;
}

/**
 * A route that the new subnet would take traffic from: anything inside the subnet, or a link that the subnet lies on.
 * A wider route behind a next hop (a VPN's 10.0.0.0/8) is fine, since the subnet is the more specific one.
 */
export function findRouteConflict(
  subnets: readonly Prefix[],
  routes: readonly HostRoute[],
  ownDevices: ReadonlySet<string>,
): RouteConflict | undefined {
  for (const route of routes) {
    const { destination } = route;
    if (destination === undefined || ownDevices.has(route.device)) {
      continue;
    }
    const subnet = subnets.find(
      (candidate) =>
        prefixesOverlap(candidate, destination) &&
        (route.onLink || prefixLengthOf(destination) >= prefixLengthOf(candidate)),
    );
    if (subnet !== undefined) {
      return { subnet, route };
    }
  }
  return undefined;
}

export function refuseRouteConflict(subnet: Prefix, route: HostRoute): never {
  throw new FairwayError({
    code: "FW3002",
    what: `subnet ${subnet} overlaps with the host's route ${route.destination} on ${route.device}`,
    why: "the host would send traffic for that route to the containers, or the other way round",
    fix: "choose another --subnet, or leave it out and let the engine choose",
  });
}

export function refuseNetworkOverlap(wanted: Network, other: Network, name: string | undefined): never {
  const label = name === undefined ? other.id.slice(0, 12) : `"${name}"`;
  throw new FairwayError({
    code: "FW3002",
    what: `subnet ${subnetsOf(wanted).join(", ")} overlaps with ${subnetsOf(other).join(", ")} of network ${label}`,
    why: "an address can lead to one network only",
    fix: `choose another --subnet, or remove network ${label}`,
  });
}
