/** What the kernel should hold, whatever the mode: the one place that asks a record for its mode. Pure. */
import type { Endpoint } from "../model/endpoint.ts";
import type { IfName } from "../model/ids.ts";
import type { Family } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { planBridge, planBridgeElements, planBridgeForwarding, planBridgePort } from "./bridge.ts";
import type { HostFacts } from "./host.ts";
import { planPublicationElements } from "./publish.ts";
import type { NftElement } from "./ruleset.ts";
import { planFurnishing, planSharedLink, planShareElements, planShareNetworkElements } from "./share.ts";
import type { FurnishSpec } from "./specs.ts";
import type { Step } from "./steps.ts";

/** Elements that stand for a network, whatever its endpoints. */
export function planNetworkElements(network: Network): NftElement[] {
  return network.mode === "bridge" ? planBridgeElements(network) : planShareNetworkElements(network);
}

/**
 * Elements that stand for an endpoint's pair, whatever it publishes. From the first join to the end of the endpoint: a
 * pair that is about to go must not become a stranger to the packet filter.
 */
export function planAttachmentElements(network: Network, endpoint: Endpoint): NftElement[] {
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
export function planAttachment(network: Network, endpoint: Endpoint, facts: HostFacts): Step {
  return network.mode === "bridge"
    ? { do: "addVeth", spec: planBridgePort(network, endpoint, facts) }
    : { do: "addSharedLink", spec: planSharedLink(network, endpoint) };
}

/** Undefined: the engine does all that the sandbox needs. */
export function planSandbox(network: Network, endpoint: Endpoint): FurnishSpec | undefined {
  return network.mode === "host" && endpoint.sandboxKey !== undefined ? planFurnishing(network, endpoint) : undefined;
}
