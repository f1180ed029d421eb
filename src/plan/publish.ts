/** Published ports: what to claim on the host, and which elements lead the traffic to the container. */
import { FairwayError } from "../errors.ts";
import type { Endpoint, PortRequest, Protocol, Publication } from "../model/endpoint.ts";
import { type Family, familyOf, hostOf, type IpAddress, isUnspecified } from "../model/ip.ts";
import type { BridgeNetwork, HostNetwork, Network } from "../model/network.ts";
import { familyDigit } from "./digit.ts";
import type { NftElement } from "./ruleset.ts";
import type { FlowFilter, PortClaim } from "./specs.ts";
import { standInOf } from "./stand-in.ts";

/** Networks whose ports are the host's. */
export type HostPortNetwork = BridgeNetwork | HostNetwork;

export function hasHostPorts(network: Network): network is HostPortNetwork {
  return network.mode !== "routed";
}

/** A claim together with the container port that it will lead to. */
export interface PlannedClaim {
  readonly claim: PortClaim;
  readonly containerPort: number;
}

/** @throws FairwayError FW3006 when a port cannot be published because the endpoint lacks the address family. */
export function planClaims(
  network: HostPortNetwork,
  endpoint: Endpoint,
  requests: readonly PortRequest[],
): PlannedClaim[] {
  if (network.internal) {
    return [];
  }
  // One list for all that name no address: it stays one on its way to the thread that binds.
  let unnamed: readonly IpAddress[] | undefined;
  const addressesOf = (request: PortRequest): readonly IpAddress[] => {
    if (request.hostAddress !== undefined) {
      requireFamily(endpoint, request, request.hostAddress);
      return [request.hostAddress];
    }
    unnamed ??= publishAddresses(network, endpoint, request);
    return unnamed;
  };
  return requests.map((request) => ({
    claim: { protocol: request.protocol, addresses: addressesOf(request), ...numbersOf(network, endpoint, request) },
    containerPort: request.containerPort,
  }));
}

/** A bridge leaves it to the kernel to pick a number; with the host's address it comes from the network's own range. */
function numbersOf(
  network: HostPortNetwork,
  endpoint: Endpoint,
  { hostPortFirst: first, hostPortLast: last, containerPort }: PortRequest,
): Pick<PortClaim, "first" | "last" | "start"> {
  if (network.mode === "bridge" || first !== 0) {
    return { first, last };
  }
  const range = network.dynamicPorts;
  const size = range.last - range.first + 1;
  // Neighbouring containers start to look at different places, so that few of the numbers they try are taken.
  return { ...range, start: range.first + (((endpoint.standIn ?? 0) * 7919 + containerPort) % size) };
}

function publishAddresses(network: HostPortNetwork, endpoint: Endpoint, request: PortRequest): readonly IpAddress[] {
  const wanted = defaultAddresses(network);
  const reachable = wanted.filter((address) => containerAddress(endpoint, familyOf(address)) !== undefined);
  if (reachable.length === 0 && wanted[0] !== undefined) {
    requireFamily(endpoint, request, wanted[0]);
  }
  return reachable;
}

const allAddresses = ["0.0.0.0", "::"] as IpAddress[];

/** Where ports are published that name no address. */
function defaultAddresses(network: HostPortNetwork): readonly IpAddress[] {
  if (network.mode === "host") {
    return [network.sharedIpv4, network.sharedIpv6].filter((address) => address !== undefined);
  }
  return network.publishAddresses.length > 0 ? network.publishAddresses : allAddresses;
}

const loopbackAddresses = { ipv4: "127.0.0.1", ipv6: "::1" } as Readonly<Record<Family, IpAddress>>;

/**
 * With the host's address, a service answers on the host's loopback, too, where nobody else has that port: each claim
 * once more, at the number that was granted.
 */
export function planLoopbackClaims(
  network: HostPortNetwork,
  endpoint: Endpoint,
  claims: readonly PlannedClaim[],
  granted: readonly number[],
): PlannedClaim[] {
  const shared = new Set(network.mode === "host" ? defaultAddresses(network) : []);
  return claims.flatMap(({ claim, containerPort }, index) => {
    const port = granted[index] ?? 0;
    const addresses = claim.addresses
      .filter((address) => shared.has(address))
      .map((address) => loopbackAddresses[familyOf(address)])
      .filter((address) => containerAddress(endpoint, familyOf(address)) !== undefined);
    return addresses.map((address) => ({
      claim: { protocol: claim.protocol, addresses: [address], first: port, last: port },
      containerPort,
    }));
  });
}

function requireFamily(endpoint: Endpoint, request: PortRequest, address: IpAddress): void {
  const family = familyOf(address);
  if (containerAddress(endpoint, family) !== undefined) {
    return;
  }
  const label = family === "ipv4" ? "IPv4" : "IPv6";
  throw new FairwayError({
    code: "FW3006",
    what: `cannot publish port ${request.containerPort}/${request.protocol} on ${address}: the container has no ${label} address`,
    why: "ports are translated in the kernel, which does not translate between IPv4 and IPv6",
    fix: `create the network with ${label}, or publish on an address of the other family`,
  });
}

/** Publications for the ports that the host granted, in the claims' order, merged into runs. */
export function planPublications(
  endpoint: Endpoint,
  claims: readonly PlannedClaim[],
  granted: readonly number[],
): Publication[] {
  const single = claims.flatMap(({ claim, containerPort }, index) =>
    claim.addresses.map((hostAddress) => publicationOf(endpoint, claim, containerPort, hostAddress, granted[index])),
  );
  return mergeRuns(single);
}

function publicationOf(
  endpoint: Endpoint,
  claim: PortClaim,
  containerPort: number,
  hostAddress: IpAddress,
  hostPort: number | undefined,
): Publication {
  const target = containerAddress(endpoint, familyOf(hostAddress));
  if (target === undefined || hostPort === undefined) {
    throw new Error("a claim was granted without a port or for an address family that the endpoint lacks");
  }
  return {
    protocol: claim.protocol,
    hostAddress,
    hostPortFirst: hostPort,
    hostPortLast: hostPort,
    containerAddress: target,
    containerPort,
  };
}

/** The engine sends ranges as single ports in random order; neighbours that keep their distance become one run. */
export function mergeRuns(publications: readonly Publication[]): Publication[] {
  const streams = [...Map.groupBy(publications, streamOf)].sort(([a], [b]) => compare(a, b));
  return streams.flatMap(([, members]) => mergeStream(members));
}

function streamOf(publication: Publication): string {
  return `${publication.protocol} ${publication.hostAddress} ${publication.containerAddress}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function mergeStream(publications: Publication[]): Publication[] {
  const runs: { readonly first: Publication; last: Publication }[] = [];
  for (const next of publications.sort((a, b) => a.hostPortFirst - b.hostPortFirst)) {
    const run = runs.at(-1);
    if (run !== undefined && continues(run.last, next)) {
      run.last = next;
    } else {
      runs.push({ first: next, last: next });
    }
  }
  return runs.map(({ first, last }) => (first === last ? first : { ...first, hostPortLast: last.hostPortLast }));
}

function continues(last: Publication, next: Publication): boolean {
  return (
    next.hostPortFirst === last.hostPortLast + 1 &&
    next.containerPort === last.containerPort + (next.hostPortFirst - last.hostPortFirst)
  );
}

/** A run that keeps its numbers is one range element; any other run is one exact element per port. */
export function planPublicationElements(publications: readonly Publication[]): NftElement[] {
  return publications.flatMap(elementsOf);
}

function elementsOf(publication: Publication): NftElement[] {
  return publication.isOwn === true ? ownPortElements(publication) : hostPortElements(publication);
}

function ownPortElements(publication: Publication): NftElement[] {
  const { protocol, hostAddress: address, hostPortFirst: first, hostPortLast: last, containerPort } = publication;
  const digit = familyDigit(familyOf(address));
  if (containerPort === first) {
    return first === last
      ? [{ set: `reachable${digit}`, key: [address, protocol, first] }]
      : [{ set: `reachable_range${digit}`, key: [address, protocol, { from: first, to: last }] }];
  }
  return Array.from({ length: last - first + 1 }, (_, offset) => ({
    set: `renumbered${digit}`,
    key: [address, protocol, first + offset],
    data: [address, containerPort + offset],
  }));
}

function hostPortElements(publication: Publication): NftElement[] {
  const { protocol, hostPortFirst: first, hostPortLast: last, containerAddress: target } = publication;
  const digit = familyDigit(familyOf(publication.hostAddress));
  const everywhere = isUnspecified(publication.hostAddress);
  const place = everywhere ? `any${digit}` : `address${digit}`;
  const prefix = everywhere ? [] : [publication.hostAddress];
  if (first < last && publication.containerPort === first) {
    return [{ set: `range_${place}`, key: [...prefix, protocol, { from: first, to: last }], data: [target] }];
  }
  const set = `publish_${place}`;
  const elements: NftElement[] = [];
  for (let port = first; port <= last; port += 1) {
    elements.push({ set, key: [...prefix, protocol, port], data: [target, publication.containerPort + port - first] });
  }
  return elements;
}

/** Flows that were set up before or under a publication and would keep their old translation. */
export function planPublicationFlows(publications: readonly Publication[]): FlowFilter[] {
  return publications.map((publication) => ({
    kind: "hostPort",
    protocol: publication.protocol,
    address: publication.hostAddress,
    first: publication.hostPortFirst,
    last: publication.hostPortLast,
  }));
}

export function planEndpointFlows(endpoint: Endpoint): FlowFilter[] {
  const families: Family[] = ["ipv4", "ipv6"];
  return families
    .map((family) => containerAddress(endpoint, family))
    .filter((address) => address !== undefined)
    .map((address) => ({ kind: "address", address }));
}

/** Where the host finds the container: its address, or the one that stands in for the host's own. */
export function containerAddress(endpoint: Endpoint, family: Family): IpAddress | undefined {
  const address = family === "ipv4" ? endpoint.ipv4 : endpoint.ipv6;
  if (address === undefined) {
    return undefined;
  }
  return endpoint.standIn === undefined ? hostOf(address) : standInOf(endpoint.standIn, family);
}

/** Do two publications want the same host port at an address that both cover? The families never meet. */
export function collides(
  a: Publication,
  claim: { readonly protocol: Protocol; readonly address: IpAddress; readonly port: number },
): boolean {
  return (
    a.protocol === claim.protocol &&
    familyOf(a.hostAddress) === familyOf(claim.address) &&
    a.hostPortFirst <= claim.port &&
    claim.port <= a.hostPortLast &&
    (a.hostAddress === claim.address || isUnspecified(a.hostAddress) || isUnspecified(claim.address))
  );
}
