import { claimOwner } from "../apply/claim-owner.ts";
import { hostFacts } from "../apply/workshop.ts";
import { FairwayError } from "../errors.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { hostOf, type IpAddress, prefixOf, wholeAddress } from "../model/ip.ts";
import type { HostNetwork, Network, RoutedNetwork } from "../model/network.ts";
import { planEndpointFlows, planPublicationElements, planPublicationFlows } from "../plan/publish.ts";
import { planNeighbourRoutes } from "../plan/routed.ts";
import { standInCount, standInSeed } from "../plan/stand-in.ts";
import type { Step } from "../plan/steps.ts";
import { planAttachment, planAttachmentElements, planDetachment, planForwarding } from "../plan/wishes.ts";
import { claimAttached } from "./claims.ts";
import { type DriverContext, requireEndpoint, requireNetwork } from "./context.ts";
import type { CallContext, JoinReply, JoinRequest, StaticRoute } from "./driver.ts";
import { gatewayFor } from "./network-record.ts";

export async function join(context: DriverContext, request: JoinRequest, call: CallContext): Promise<JoinReply> {
  const network = requireNetwork(context, request.networkId);
  const endpoint = requireEndpoint(context, network.id, request.endpointId);
  if (endpoint.state === "joined") {
    requireSameSandbox(endpoint, request);
    return joinReply(network, endpoint);
  }
  const { workshop } = context;
  const attached = withStandIn(context, network, endpoint);
  try {
    const claims = await claimAttached(context, network, attached, request);
    const joined: Endpoint = {
      ...attached,
      state: "joined",
      sandboxKey: request.sandboxKey,
      ...(claims && { claims }),
    };
    // Looks at the host, which may fail, and so comes before the record.
    const steps = joiningSteps(context, network, endpoint, joined);
    workshop.registry.putEndpoint(joined);
    workshop.calledHere.add(joined.id);
    workshop.awaitedPairs.add(joined.id);
    await workshop.applier.applyOrUndo(steps, {
      signal: call.signal,
      forget: () => workshop.registry.reduceEndpoint(endpoint),
    });
  } catch (error) {
    await workshop.releasePorts(claimOwner(endpoint.id));
    workshop.registry.releaseStandIn(endpoint.id, attached.standIn ?? 0);
    throw error;
  }
  call.onUndelivered(() => workshop.queue.run(endpoint.id, () => leave(context, network.id, endpoint.id)));
  // The engine may only now have brought its own packet filter; asking for it here would slow every attachment down.
  workshop.keeper.nudge();
  context.names.refresh(network.id);
  return joinReply(network, attached);
}

/** The number stays with the endpoint until that is gone, whatever happens in between. */
function withStandIn({ workshop }: DriverContext, network: Network, endpoint: Endpoint): Endpoint {
  if (network.mode !== "host" || endpoint.standIn !== undefined) {
    return endpoint;
  }
  const standIn = workshop.registry.reserveStandIn(endpoint.id, standInSeed(endpoint.id), standInCount);
  return { ...endpoint, standIn };
}

/**
 * Rules stand before the interface that they judge. And at once after the record: an installation on behalf of others
 * brings the elements of every record, and only a step that was taken is taken back.
 */
function joiningSteps(context: DriverContext, network: Network, before: Endpoint, joined: Endpoint): Step[] {
  const isAttachedAlready = planAttachmentElements(network, before).length > 0;
  const elements = [
    ...(isAttachedAlready ? [] : planAttachmentElements(network, joined)),
    ...planPublicationElements(joined.claims ?? []),
  ];
  return [
    { do: "changeElements", add: elements, remove: [] },
    // Not earlier: an engine that finds forwarding on at its start leaves the host open to all traffic.
    { do: "enableForwarding", families: planForwarding(network) },
    planAttachment(network, joined, hostFacts(context.workshop.kernel), context.workshop.standingOf),
    { do: "forgetFlows", filters: planPublicationFlows(joined.claims ?? []) },
  ];
}

/** After this answer the engine takes the interface back; the pair goes with the endpoint. */
export async function leave(context: DriverContext, networkId: NetworkId, endpointId: EndpointId): Promise<void> {
  const { registry, applier, calledHere } = context.workshop;
  const endpoint = registry.endpoint(endpointId);
  if (endpoint === undefined || endpoint.networkId !== networkId) {
    return;
  }
  calledHere.add(endpointId);
  const { sandboxKey: _, claims: _claims, healthy: _healthy, ...rest } = endpoint;
  const network = registry.network(networkId);
  context.workshop.recordInAnyCase(() => registry.reduceEndpoint({ ...rest, state: "created", publications: [] }));
  if (network !== undefined) {
    await applier.applyAll(planDetachment(network, endpoint));
  }
  await context.workshop.unpublish(endpoint);
  await context.workshop.unclaim(endpoint);
  await applier.applyAll([{ do: "forgetFlows", filters: planEndpointFlows(endpoint) }]);
}

/**
 * Without a gateway and without `disableGatewayService` the engine would silently add a second interface in its own
 * bridge, with a default route (moby libnetwork default_gateway.go): a way out of an internal network.
 */
export function joinReply(network: Network, endpoint: Endpoint): JoinReply {
  const { gateway, gatewayIpv6 } = gatewaysFor(network, endpoint);
  return {
    interface: {
      srcName: endpoint.sandboxIf,
      dstPrefix: network.ifNamePrefix,
      ...(endpoint.ifName === undefined ? {} : { dstName: endpoint.ifName }),
    },
    ...(gateway === undefined ? {} : { gateway }),
    ...(gatewayIpv6 === undefined ? {} : { gatewayIpv6 }),
    staticRoutes: staticRoutesFor(network, endpoint),
    disableGatewayService: true,
  };
}

/** The container's address covers nothing but itself, so the engine must be told what is on the link. */
function staticRoutesFor(network: Network, endpoint: Endpoint): readonly StaticRoute[] {
  if (network.mode === "bridge") {
    return [];
  }
  const { gateway, gatewayIpv6 } = nextHopsFor(network, endpoint);
  const neighbours = network.mode === "routed" ? planNeighbourRoutes(network, endpoint) : [];
  return [...[gateway, gatewayIpv6].flatMap(onLink), ...neighbours];
}

interface Gateways {
  readonly gateway?: IpAddress | undefined;
  readonly gatewayIpv6?: IpAddress | undefined;
}

function gatewaysFor(network: Network, endpoint: Endpoint): Gateways {
  if (network.internal) {
    return {};
  }
  if (network.mode !== "bridge") {
    return nextHopsFor(network, endpoint);
  }
  const [gateway, gatewayIpv6] = [gatewayFor(network.ipv4, endpoint.ipv4), gatewayFor(network.ipv6, endpoint.ipv6)];
  return {
    gateway: gateway === undefined ? undefined : hostOf(gateway),
    gatewayIpv6: gatewayIpv6 === undefined ? undefined : hostOf(gatewayIpv6),
  };
}

function nextHopsFor(network: HostNetwork | RoutedNetwork, endpoint: Endpoint): Gateways {
  return {
    gateway: endpoint.ipv4 === undefined ? undefined : network.gatewayIpv4,
    gatewayIpv6: endpoint.ipv6 === undefined ? undefined : network.gatewayIpv6,
  };
}

function onLink(gateway: IpAddress | undefined): StaticRoute[] {
  return gateway === undefined ? [] : [{ destination: prefixOf(wholeAddress(gateway)) }];
}

function requireSameSandbox(endpoint: Endpoint, request: JoinRequest): void {
  if (endpoint.sandboxKey !== request.sandboxKey) {
    throw new FairwayError({
      code: "FW5005",
      what: `endpoint ${endpoint.id.slice(0, 12)} is attached to another container already`,
      why: "an endpoint belongs to one sandbox",
      fix: "disconnect the container and connect it again",
    });
  }
}
