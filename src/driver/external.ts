import { hostFacts } from "../apply/workshop.ts";
import { FairwayError } from "../errors.ts";
import type { Endpoint, PortRequest, Protocol, Publication } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import { type IpAddress, isUnspecified } from "../model/ip.ts";
import type { RoutedNetwork } from "../model/network.ts";
import {
  collides,
  type HostPortNetwork,
  hasHostPorts,
  type PlannedClaim,
  planClaims,
  planPublicationElements,
  planPublicationFlows,
} from "../plan/publish.ts";
import { obtain } from "./claims.ts";
import { type DriverContext, requireEndpoint, requireNetwork } from "./context.ts";
import type { CallContext, ProgramRequest } from "./driver.ts";

/** The endpoint becomes its container's way out, and so the one whose ports are published: all of them or none. */
export async function programExternalConnectivity(
  context: DriverContext,
  request: ProgramRequest,
  call: CallContext,
): Promise<void> {
  const network = requireNetwork(context, request.networkId);
  const endpoint = requireEndpoint(context, network.id, request.endpointId);
  if (!hasHostPorts(network)) {
    refuseHostAddress(network, request.ports);
    await context.workshop.furnisher.furnish(endpoint.id);
    return;
  }
  await withdraw(context, endpoint);
  refuseUnreachable(context, network, request.ports);
  const claims = claimsBesideSiblings(context, network, endpoint, request.ports);
  if (claims.length > 0) {
    await publish(context, network, endpoint, claims, call);
    context.names.refresh(network.id);
  }
  await context.workshop.furnisher.furnish(endpoint.id);
}

/** Its ports are reachable since it was attached; one that only an address of the host shall have would be more. */
function refuseHostAddress(network: RoutedNetwork, ports: readonly PortRequest[]): void {
  const port = ports.find(({ hostAddress }) => hostAddress !== undefined && !isUnspecified(hostAddress));
  if (port !== undefined && !network.internal) {
    const { hostAddress, hostPortFirst, containerPort, protocol } = port;
    const number = hostPortFirst === 0 || hostPortFirst === containerPort ? "" : `${hostPortFirst}:`;
    throw new FairwayError({
      code: "FW3006",
      what: `cannot publish ${containerPort}/${protocol} on ${hostAddress}: in mode routed the container has an address of its own`,
      why: "no traffic to the host's addresses leads to it, and on its own address everybody would reach the port",
      fix: `write -p ${number}${containerPort} to make it reachable at the container's address, or leave it out`,
    });
  }
}

async function publish(
  context: DriverContext,
  network: HostPortNetwork,
  endpoint: Endpoint,
  claims: readonly PlannedClaim[],
  call: CallContext,
): Promise<void> {
  const { registry, kernel, applier } = context.workshop;
  try {
    const publications = await obtain(context, network, endpoint, claims, endpoint.id);
    registry.putEndpoint({ ...endpoint, publications });
    await applier.applyOrUndo(
      [
        { do: "changeElements", add: planPublicationElements(publications), remove: [] },
        // Only now: a datagram between the two steps would set up the old flow again.
        { do: "forgetFlows", filters: planPublicationFlows(publications) },
      ],
      { signal: call.signal, forget: () => registry.reduceEndpoint({ ...endpoint, publications: [] }) },
    );
  } catch (error) {
    await kernel.hostPorts.release(endpoint.id);
    throw error;
  }
}

export async function revokeExternalConnectivity(
  context: DriverContext,
  networkId: NetworkId,
  endpointId: EndpointId,
): Promise<void> {
  const endpoint = context.workshop.registry.endpoint(endpointId);
  if (endpoint?.networkId === networkId) {
    await withdraw(context, endpoint);
  }
}

async function withdraw(context: DriverContext, endpoint: Endpoint): Promise<void> {
  if (endpoint.publications.length > 0) {
    const { workshop } = context;
    workshop.recordInAnyCase(() => workshop.registry.reduceEndpoint({ ...endpoint, publications: [] }));
    await workshop.unpublish(endpoint);
  }
}

/**
 * Engines from 28 on may choose different endpoints of one container for IPv4 and IPv6 and publish the same ports
 * through both. What a sibling publishes already is not a conflict; what it cannot, for want of the family, is left.
 */
function claimsBesideSiblings(
  context: DriverContext,
  network: HostPortNetwork,
  endpoint: Endpoint,
  ports: readonly PortRequest[],
): PlannedClaim[] {
  const published = siblingPublications(context, endpoint);
  const claimed = endpoint.claims ?? [];
  const isLeft = (wanted: PortWish): boolean =>
    wanted.first === 0 ||
    !(
      published.some((one) => wanted.last <= one.hostPortLast && collides(one, { ...wanted, port: wanted.first })) ||
      claimed.some((one) => leadsThere(one, wanted))
    );
  const left = ports.filter(
    ({ protocol, hostAddress, hostPortFirst: first, hostPortLast: last, containerPort }) =>
      hostAddress === undefined || isLeft({ protocol, address: hostAddress, first, last, containerPort }),
  );
  return planClaims(network, endpoint, left).flatMap(({ claim, containerPort }) => {
    const { protocol, first, last } = claim;
    const addresses = claim.addresses.filter((address) => isLeft({ protocol, address, first, last, containerPort }));
    return addresses.length === 0 ? [] : [{ claim: { ...claim, addresses }, containerPort }];
  });
}

interface PortWish {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly first: number;
  readonly last: number;
  readonly containerPort: number;
}

/** Has the container this very port for being attached? Another one behind the number is a conflict like any other. */
function leadsThere(claim: Publication, { protocol, address, first, last, containerPort }: PortWish): boolean {
  return (
    last <= claim.hostPortLast &&
    claim.containerPort + (first - claim.hostPortFirst) === containerPort &&
    collides(claim, { protocol, address, port: first })
  );
}

function siblingPublications(context: DriverContext, { id, sandboxKey }: Endpoint): Publication[] {
  const siblings = sandboxKey === undefined ? [] : context.workshop.registry.endpointsIn(sandboxKey);
  return (
    siblings
      .filter((other) => other.id !== id)
      .flatMap(({ publications, claims = [] }) => [...claims, ...publications])
      // A port of the container's own address takes none of the host's.
      .filter(({ isOwn }) => isOwn !== true)
  );
}

/** On a bridge only: with the host's address, an answer visits the packet filter once. */
function refuseUnreachable(context: DriverContext, network: HostPortNetwork, ports: readonly PortRequest[]): void {
  if (network.mode !== "bridge") {
    return;
  }
  const port = ports.find(({ hostAddress }) => hostAddress === "::1");
  if (port === undefined || !hostFacts(context.workshop.kernel).bridgedIpv6Filtered) {
    return;
  }
  throw new FairwayError({
    code: "FW3006",
    what: `cannot publish [::1]:${port.hostPortFirst}/${port.protocol} while net.bridge.bridge-nf-call-ip6tables is 1`,
    why: "the kernel then drops every answer to ::1 on a bridge",
    fix: "publish on 127.0.0.1, or run `sysctl -w net.bridge.bridge-nf-call-ip6tables=0`",
  });
}
