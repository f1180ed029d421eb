/** Mode routed: what the kernel should hold for a network of flat addresses and its endpoints. */
import type { AddressStanding } from "../model/block.ts";
import type { Endpoint, PortRequest, Publication } from "../model/endpoint.ts";
import {
  addressBits,
  boundsOf,
  type Family,
  familyOf,
  fromBigInt,
  hostOf,
  type IpAddress,
  isUnspecified,
  type Prefix,
  prefixContains,
  prefixLengthOf,
  prefixOf,
  wholeAddress,
} from "../model/ip.ts";
import type { RoutedNetwork } from "../model/network.ts";
import { familyDigit } from "./digit.ts";
import { flatLinkGroup, routeMetrics, sandboxTable } from "./names.ts";
import { pairOf } from "./pair.ts";
import { mergeRuns } from "./publish.ts";
import type { NftElement, NftField } from "./ruleset.ts";
import type { FurnishSpec, NextHopLinkSpec, RouteSpec } from "./specs.ts";

interface FlatFamily {
  readonly family: Family;
  readonly digit: "4" | "6";
  readonly address: IpAddress;
  readonly gateway: IpAddress;
  /** The container's address covers nothing but itself, as the engine was told. */
  readonly isWhole: boolean;
}

/** What this host knows of the blocks that addresses are of. */
export type StandingOf = (subnet: Prefix, address: IpAddress) => AddressStanding;

/** @param standingOf absent: every address is this host's own */
export function planFlatLink(
  network: RoutedNetwork,
  endpoint: Endpoint,
  standingOf: StandingOf = ownEverywhere,
): NextHopLinkSpec {
  const flat = familiesOf(network, endpoint);
  return {
    ...pairOf(network, endpoint),
    group: flatLinkGroup,
    gateways: flat.map(({ gateway }) => gateway),
    targets: flat.map(({ address }) => address),
    flatMetrics: flat.map(({ address }) => addressMetric(network, endpoint, address, standingOf)),
  };
}

const ownEverywhere: StandingOf = () => "own";

/** A borrowed address is of a block that another host announces. A lost one is another host's. */
function addressMetric(network: RoutedNetwork, endpoint: Endpoint, address: IpAddress, standingOf: StandingOf): number {
  const subnet = subnetsOfFamily(network, familyOf(address)).find((one) => prefixContains(one, address));
  const standing = subnet === undefined ? "own" : standingOf(subnet, address);
  const isAnnounced = {
    address: true,
    healthy: endpoint.healthy === true,
    block: standing === "borrowed",
    none: false,
  }[network.announce];
  return isAnnounced && standing !== "lost" ? routeMetrics.announced : routeMetrics.local;
}

/** Routes into the pair, as long as the endpoint is joined. */
export function planFlatRoutes(
  network: RoutedNetwork,
  endpoint: Endpoint,
  standingOf: StandingOf = ownEverywhere,
): RouteSpec[] {
  const routes = familiesOf(network, endpoint).map(({ address }) => ({
    destination: prefixOf(wholeAddress(address)),
    metric: addressMetric(network, endpoint, address, standingOf),
    device: endpoint.hostIf,
  }));
  return endpoint.state === "joined" ? routes : [];
}

/** The same, announced or not: whichever of them is there goes. */
export function planFlatWithdrawal(network: RoutedNetwork, before: Endpoint): RouteSpec[] {
  return familiesOf(network, before).flatMap(({ address }) =>
    Object.values(routeMetrics).map((metric) => ({
      destination: prefixOf(wholeAddress(address)),
      metric,
      device: before.hostIf,
    })),
  );
}

/**
 * What is this host's and no container's is unreachable: without this route it would go back by the default route, to a
 * router that sends it here again.
 * @param blocks of the network's subnets that are this host's
 */
export function planBlockRoutes(network: RoutedNetwork, blocks: readonly Prefix[]): RouteSpec[] {
  const metric = network.announce === "block" ? routeMetrics.announced : routeMetrics.local;
  return blocks.map((destination) => ({ destination, metric }));
}

export function subnetsOfFamily(network: RoutedNetwork, family: Family): Prefix[] {
  return (family === "ipv4" ? network.ipv4 : network.ipv6).map(({ subnet }) => subnet);
}

export function planFlatForwarding(network: RoutedNetwork): Family[] {
  return (["ipv4", "ipv6"] as const).filter((family) => subnetsOfFamily(network, family).length > 0);
}

/** Elements that stand for a network, whatever its endpoints. */
export function planFlatNetworkElements(network: RoutedNetwork): NftElement[] {
  return [
    { set: "gateways4", key: [network.gatewayIpv4] },
    { set: "gateways6", key: [network.gatewayIpv6] },
    ...(["ipv4", "ipv6"] as const).flatMap((family) => [
      ...(network.icc ? peerElements(network, family) : []),
      ...(network.egressNat && !network.internal ? egressElements(network, family) : []),
    ]),
  ];
}

/** Addresses of different subnets of one network are neighbours, too. */
function peerElements(network: RoutedNetwork, family: Family): NftElement[] {
  const subnets = subnetsOfFamily(network, family);
  const set = `peers${familyDigit(family)}`;
  return subnets.flatMap((from) => subnets.map((to) => ({ set, key: [rangeOf(from), rangeOf(to)] })));
}

function egressElements(network: RoutedNetwork, family: Family): NftElement[] {
  const digit = familyDigit(family);
  const everywhere = rangeOf((family === "ipv4" ? "0.0.0.0/0" : "::/0") as Prefix);
  const flat = network.flatSpace.filter((prefix) => familyOf(prefix) === family);
  return subnetsOfFamily(network, family).flatMap((subnet) => [
    { set: `egress${digit}`, key: [rangeOf(subnet), everywhere] },
    ...flat.map((prefix) => ({ set: `flat${digit}`, key: [rangeOf(subnet), rangeOf(prefix)] })),
  ]);
}

function rangeOf(subnet: Prefix): NftField {
  const [first, last] = boundsOf(subnet);
  return { from: fromBigInt(first, familyOf(subnet)), to: fromBigInt(last, familyOf(subnet)) };
}

/** While the endpoint is joined; afterwards nothing that comes from its pair is let in. */
export function planFlatElements(network: RoutedNetwork, endpoint: Endpoint): NftElement[] {
  if (endpoint.state !== "joined") {
    return [];
  }
  const link = endpoint.hostIf;
  return [
    ...(network.internal ? [{ set: "internal", key: [link] }] : []),
    ...familiesOf(network, endpoint).flatMap(({ digit, address, gateway }): NftElement[] => [
      { set: `own_gateway${digit}`, key: [link, gateway] },
      { set: `source${digit}`, key: [link, address] },
      { set: `local${digit}`, key: [address] },
      ...(network.reachable === "all" && !network.internal ? [{ set: `open${digit}`, key: [address] }] : []),
    ]),
  ];
}

/**
 * Ports of the container's own addresses that everybody reaches. What `-p` wants at one address of the host is left: that
 * is not an address of the container.
 */
export function planReachable(
  network: RoutedNetwork,
  endpoint: Endpoint,
  requests: readonly PortRequest[],
): Publication[] {
  if (network.internal) {
    return [];
  }
  const single = requests.flatMap(({ protocol, containerPort, hostAddress, hostPortFirst }) =>
    familiesOf(network, endpoint)
      .filter(({ family }) => isMeant(family, hostAddress))
      .map(({ address }): Publication => {
        const port = hostPortFirst === 0 ? containerPort : hostPortFirst;
        return {
          protocol,
          hostAddress: address,
          hostPortFirst: port,
          hostPortLast: port,
          containerAddress: address,
          containerPort,
          isOwn: true,
        };
      }),
  );
  const unique = new Map(single.map((one) => [JSON.stringify(one), one]));
  return mergeRuns([...unique.values()]);
}

function isMeant(family: Family, hostAddress: IpAddress | undefined): boolean {
  return hostAddress === undefined || (isUnspecified(hostAddress) && familyOf(hostAddress) === family);
}

/** What the engine does not do inside the sandbox. */
export function planFlatFurnishing(network: RoutedNetwork, endpoint: Endpoint): FurnishSpec {
  return {
    sharesAddress: false,
    hostIf: endpoint.hostIf,
    sandboxKey: endpoint.sandboxKey ?? "",
    mac: endpoint.mac,
    table: sandboxTable(network.gatewayIpv4),
    routes: familiesOf(network, endpoint).map(({ address, gateway }) => ({ address, gateway })),
    note: "",
  };
}

/**
 * Where the container finds its neighbours. The engine's own address management gives it an address with the length of the
 * subnet, which the kernel takes for a link that there is not; only longer routes go before that one, hence the halves.
 */
export function planNeighbourRoutes(
  network: RoutedNetwork,
  endpoint: Endpoint,
): { readonly destination: Prefix; readonly nextHop: IpAddress }[] {
  return familiesOf(network, endpoint).flatMap(({ family, gateway, isWhole }) =>
    subnetsOfFamily(network, family)
      .flatMap((subnet) => (isWhole ? [subnet] : halvesOf(subnet)))
      .map((destination) => ({ destination, nextHop: gateway })),
  );
}

function halvesOf(subnet: Prefix): Prefix[] {
  const family = familyOf(subnet);
  const [first, last] = boundsOf(subnet);
  const size = last - first + 1n;
  if (size === 1n) {
    return [];
  }
  const length = addressBits(family) - (size / 2n).toString(2).length + 1;
  return [first, first + size / 2n].map((start) => `${fromBigInt(start, family)}/${length}` as Prefix);
}

function familiesOf(network: RoutedNetwork, endpoint: Endpoint): FlatFamily[] {
  const sides = [
    ["ipv4", endpoint.ipv4, network.gatewayIpv4],
    ["ipv6", endpoint.ipv6, network.gatewayIpv6],
  ] as const;
  return sides.flatMap(([family, address, gateway]) =>
    address === undefined
      ? []
      : [
          {
            family,
            digit: familyDigit(family),
            address: hostOf(address),
            gateway,
            isWhole: prefixLengthOf(address) === addressBits(family),
          },
        ],
  );
}
