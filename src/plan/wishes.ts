/** What the kernel should hold, whatever the mode: the one place that asks a record for its mode. Pure. */
import type { Endpoint } from "../model/endpoint.ts";
import type { IfName } from "../model/ids.ts";
import type { Family, Prefix } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { planBridge, planBridgeElements, planBridgeForwarding, planBridgePort } from "./bridge.ts";
import type { HostFacts } from "./host.ts";
import { planPublicationElements } from "./publish.ts";
import {
  planBlockRoutes,
  planFlatElements,
  planFlatForwarding,
  planFlatFurnishing,
  planFlatLink,
  planFlatNetworkElements,
  planFlatRoutes,
  planFlatWithdrawal,
  type StandingOf,
} from "./routed.ts";
import type { NftElement } from "./ruleset.ts";
import { planFurnishing, planSharedLink, planShareElements, planShareNetworkElements } from "./share.ts";
import type { FurnishSpec, RouteSpec } from "./specs.ts";
import type { Step } from "./steps.ts";

/** Elements that stand for a network, whatever its endpoints. */
export function planNetworkElements(network: Network): NftElement[] {
  switch (network.mode) {
    case "bridge":
      return planBridgeElements(network);
    case "host":
      return planShareNetworkElements(network);
    default:
      return planFlatNetworkElements(network);
  }
}

/**
 * Elements that stand for an endpoint's pair, whatever it publishes. In mode host from the first join to the end of the
 * endpoint: a pair that is about to go must not become a stranger to the packet filter.
 */
export function planAttachmentElements(network: Network, endpoint: Endpoint): NftElement[] {
  if (network.mode === "routed") {
    return planFlatElements(network, endpoint);
  }
  return network.mode === "host" && endpoint.standIn !== undefined ? planShareElements(network, endpoint) : [];
}

/** Every element of an endpoint. */
export function planEndpointElements(network: Network, endpoint: Endpoint): NftElement[] {
  return [
    ...planAttachmentElements(network, endpoint),
    ...planPublicationElements([...(endpoint.claims ?? []), ...endpoint.publications]),
  ];
}

/** Families in which the host must forward for this network. */
export function planForwarding(network: Network): Family[] {
  if (network.mode === "bridge") {
    return planBridgeForwarding(network);
  }
  if (network.mode === "routed") {
    return planFlatForwarding(network);
  }
  return network.sharedIpv6 === undefined ? ["ipv4"] : ["ipv4", "ipv6"];
}

/** Interfaces that belong to the network itself. */
export function planNetworkLinks(network: Network): Step[] {
  return network.mode === "bridge" ? [{ do: "ensureBridge", spec: planBridge(network) }] : [];
}

export function networkLinkNames(network: Network): IfName[] {
  return network.mode === "bridge" ? [network.bridge] : [];
}

/** Interfaces of all these networks: what is on them is not the host's own. */
export function ownDevices(networks: readonly Network[]): ReadonlySet<string> {
  return new Set(networks.flatMap(networkLinkNames));
}

/** The pair that leads to the endpoint's sandbox. */
export function planAttachment(network: Network, endpoint: Endpoint, facts: HostFacts, standingOf?: StandingOf): Step {
  switch (network.mode) {
    case "bridge":
      return { do: "addVeth", spec: planBridgePort(network, endpoint, facts) };
    case "host":
      return { do: "addNextHopLink", spec: planSharedLink(network, endpoint) };
    default:
      return { do: "addNextHopLink", spec: planFlatLink(network, endpoint, standingOf) };
  }
}

/**
 * Takes the routes into a pair away while it is there. The kernel tells nobody of IPv4 routes that go with their link (fib_sync_down_dev() in
 * net/ipv4/fib_semantics.c), so a routing daemon would learn it from its next scan; hence they are deleted one by one.
 */
export function planWithdrawal(network: Network, before: Endpoint): Step[] {
  return network.mode === "routed" ? [{ do: "deleteRoutes", routes: planFlatWithdrawal(network, before) }] : [];
}

/**
 * What goes before the pair does, when the container leaves: an address is announced and let in only while somebody
 * answers at it.
 */
export function planDetachment(network: Network, before: Endpoint): Step[] {
  return network.mode === "routed"
    ? [
        ...planWithdrawal(network, before),
        { do: "setLinksDown", names: [before.hostIf] },
        { do: "changeElements", add: [], remove: planFlatElements(network, before) },
      ]
    : [];
}

/** Routes that belong to the network itself. */
export function planNetworkRoutes(network: Network, blocksOf: (subnet: Prefix) => readonly Prefix[]): RouteSpec[] {
  const subnets = [...network.ipv4, ...network.ipv6].map(({ subnet }) => subnet);
  return network.mode === "routed" ? planBlockRoutes(network, subnets.flatMap(blocksOf)) : [];
}

export function planEndpointRoutes(network: Network, endpoint: Endpoint, standingOf?: StandingOf): RouteSpec[] {
  return network.mode === "routed" ? planFlatRoutes(network, endpoint, standingOf) : [];
}

/** Undefined: the engine does all that the sandbox needs. */
export function planSandbox(network: Network, endpoint: Endpoint): FurnishSpec | undefined {
  if (network.mode === "bridge" || endpoint.sandboxKey === undefined) {
    return undefined;
  }
  return network.mode === "host" ? planFurnishing(network, endpoint) : planFlatFurnishing(network, endpoint);
}
