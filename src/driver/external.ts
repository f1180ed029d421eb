import { hostFacts } from "../apply/workshop.ts";
import { FairwayError } from "../errors.ts";
import type { ClaimConflict, PortClaim } from "../kernel/ports.ts";
import type { Endpoint, PortRequest, Protocol, Publication } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { IpAddress } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import {
  collides,
  type PlannedClaim,
  planClaims,
  planPublicationElements,
  planPublicationFlows,
  planPublications,
} from "../plan/publish.ts";
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
  await withdraw(context, endpoint);
  refuseUnreachable(context, request.ports);
  const claims = claimsBesideSiblings(context, network, endpoint, request.ports);
  if (claims.length === 0) {
    return;
  }
  const { registry, kernel, applier } = context.workshop;
  const granted = await kernel.hostPorts.claim(
    endpoint.id,
    claims.map(({ claim }) => claim),
  );
  if (!isGranted(granted)) {
    throw portConflict(context, granted);
  }
  try {
    const publications = planPublications(endpoint, claims, granted);
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
  context.names.refresh(network.id);
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
  network: Network,
  endpoint: Endpoint,
  ports: readonly PortRequest[],
): PlannedClaim[] {
  const published = siblingPublications(context, endpoint);
  const isLeft = (protocol: Protocol, address: IpAddress, first: number, last: number): boolean =>
    first === 0 ||
    !published.some((one) => last <= one.hostPortLast && collides(one, { protocol, address, port: first }));
  const left = ports.filter(
    ({ protocol, hostAddress, hostPortFirst, hostPortLast }) =>
      hostAddress === undefined || isLeft(protocol, hostAddress, hostPortFirst, hostPortLast),
  );
  return planClaims(network, endpoint, left).flatMap(({ claim, containerPort }) => {
    const { protocol, first, last } = claim;
    const addresses = claim.addresses.filter((address) => isLeft(protocol, address, first, last));
    return addresses.length === 0 ? [] : [{ claim: { ...claim, addresses }, containerPort }];
  });
}

function siblingPublications(context: DriverContext, { id, sandboxKey }: Endpoint): Publication[] {
  const siblings = sandboxKey === undefined ? [] : context.workshop.registry.endpointsIn(sandboxKey);
  return siblings.filter((other) => other.id !== id).flatMap(({ publications }) => publications);
}

function refuseUnreachable(context: DriverContext, ports: readonly PortRequest[]): void {
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

function isGranted(result: readonly number[] | ClaimConflict): result is readonly number[] {
  return Array.isArray(result);
}

function portConflict(context: DriverContext, conflict: ClaimConflict): FairwayError {
  const { claim, address, port } = conflict;
  const place = `${address.includes(":") ? `[${address}]` : address}:${port === 0 ? rangeText(claim) : port}/${claim.protocol}`;
  if (conflict.errno === "EADDRNOTAVAIL") {
    return new FairwayError({
      code: "FW3006",
      what: `cannot publish on ${place}: ${address} is not an address of this host`,
      why: "only traffic to the host's own addresses is published",
      fix: "publish on an address that `ip address` shows, or on all by leaving it out",
    });
  }
  if (claim.first !== claim.last || claim.first === 0) {
    return new FairwayError({
      code: "FW3005",
      what: `cannot publish ${rangeText(claim)}/${claim.protocol} on ${address}: no port of it is free`,
      why: "every port of the range is in use on this host",
      fix: "widen the range, or end what uses it (`fairway status` shows what containers hold)",
    });
  }
  if (conflict.errno === "EADDRINUSE") {
    const holder = holderOf(context, conflict);
    return new FairwayError({
      code: "FW3004",
      what: `cannot publish ${place}: it is in use by ${holder}`,
      why: "one host port leads to one service; nothing of this container was published",
      fix: "choose another host port, or stop the holder",
    });
  }
  return new FairwayError({
    code: "FW9001",
    what: `cannot publish ${place}: the kernel refused it with ${conflict.errno}`,
    why: "the port could not be reserved for the container",
  });
}

function rangeText(claim: PortClaim): string {
  return claim.first === 0 ? "a free port" : `ports ${claim.first}-${claim.last}`;
}

function holderOf(context: DriverContext, { claim, address, port, holder }: ClaimConflict): string {
  const wanted = { protocol: claim.protocol, address, port };
  const other = context.workshop.registry
    .endpoints()
    .find(({ publications }) => publications.some((publication) => collides(publication, wanted)));
  if (other === undefined) {
    return holder ?? "another process of this host";
  }
  const name = context.names.containerOf(other.id);
  const network = context.names.networkName(other.networkId) ?? other.networkId.slice(0, 12);
  return name === undefined
    ? `a container (endpoint ${other.id.slice(0, 12)}) on network ${network}`
    : `container "${name}" on network ${network}`;
}
