/** Host ports for a container: what it gets, or why it does not. */
import { claimOwner } from "../apply/claim-owner.ts";
import { FairwayError } from "../errors.ts";
import type { ClaimConflict } from "../kernel/ports.ts";
import type { Endpoint, PortRequest, Publication } from "../model/endpoint.ts";
import type { Network, RoutedNetwork } from "../model/network.ts";
import { planExposed } from "../plan/exposed.ts";
import {
  collides,
  type HostPortNetwork,
  type PlannedClaim,
  planClaims,
  planLoopbackClaims,
  planPublications,
} from "../plan/publish.ts";
import { planReachable } from "../plan/routed.ts";
import type { DriverContext } from "./context.ts";
import type { JoinRequest } from "./driver.ts";
import { holdingEndpoint, isGranted, portConflict } from "./port-conflict.ts";

/**
 * Takes the ports for `owner`, all of them or none.
 * @throws FairwayError FW3004, FW3005 or FW3006 about the first that cannot be had.
 */
export async function obtain(
  context: DriverContext,
  network: HostPortNetwork,
  endpoint: Endpoint,
  claims: readonly PlannedClaim[],
  owner: string,
): Promise<Publication[]> {
  const granted = await claimBesideGhosts(context, network, claims, owner);
  const extra = await obtainWhatIsFree(context, planLoopbackClaims(network, endpoint, claims, granted), owner);
  return planPublications(endpoint, [...claims, ...extra], [...granted, ...extra.map(({ claim }) => claim.first)]);
}

async function claimBesideGhosts(
  context: DriverContext,
  network: HostPortNetwork,
  claims: readonly PlannedClaim[],
  owner: string,
): Promise<readonly number[]> {
  const { workshop } = context;
  const wanted = claims.map(({ claim }) => claim);
  for (;;) {
    const granted = await workshop.kernel.hostPorts.claim(owner, wanted);
    if (isGranted(granted)) {
      return granted;
    }
    const ghost = await ghostBehind(context, granted);
    if (ghost === undefined) {
      throw portConflict(context, network, granted, wanted);
    }
    workshop.log.warn("removed an endpoint that the engine has forgotten", { endpointId: ghost.id });
    await workshop.queue.run(ghost.id, () => workshop.removeEndpoint(ghost.id));
  }
}

/**
 * The holder of the port, if it is what a container left that ended while we were down: the engine has put its interface
 * back where it was, and will never speak of it again. Of one that was joined since, it may be about to move it.
 */
async function ghostBehind({ workshop }: DriverContext, conflict: ClaimConflict): Promise<Endpoint | undefined> {
  const holder = holdingEndpoint(workshop.registry, conflict);
  if (holder?.state !== "joined" || workshop.calledHere.has(holder.id)) {
    return undefined;
  }
  const links = await workshop.kernel.links.listOwned();
  return links.some(({ name, peerIsHome }) => name === holder.hostIf && peerIsHome) ? holder : undefined;
}

/** Each conflict costs one more attempt; there is rarely any. */
async function obtainWhatIsFree(
  { workshop }: DriverContext,
  claims: readonly PlannedClaim[],
  owner: string,
): Promise<readonly PlannedClaim[]> {
  let left = claims;
  while (left.length > 0) {
    const wanted = left.map(({ claim }) => claim);
    const result = await workshop.kernel.hostPorts.claim(owner, wanted);
    if (isGranted(result)) {
      return left;
    }
    left = left.filter(
      ({ claim }) =>
        claim.protocol !== result.claim.protocol ||
        claim.first !== result.claim.first ||
        claim.addresses[0] !== result.claim.addresses[0],
    );
  }
  return [];
}

/**
 * Ports that come with being attached. Mode host: those that the container listens on are the host's of the same number.
 * Mode routed: those of `-p` are reachable. Undefined where the network takes only what its way out publishes.
 */
export async function claimAttached(
  context: DriverContext,
  network: Network,
  endpoint: Endpoint,
  request: JoinRequest,
): Promise<readonly Publication[] | undefined> {
  if (network.mode === "routed") {
    return reachablePorts(network, endpoint, request.ports);
  }
  if (network.mode !== "host" || network.claim !== "exposed") {
    return undefined;
  }
  const requests = planExposed(request.exposed, request.ports);
  const claims = planClaims(network, endpoint, requests);
  return claims.length === 0 ? [] : await obtain(context, network, endpoint, claims, claimOwner(endpoint.id));
}

function reachablePorts(network: RoutedNetwork, endpoint: Endpoint, requests: readonly PortRequest[]): Publication[] {
  const publications = planReachable(network, endpoint, requests);
  const twice = publications.find((one, index) =>
    publications.some(
      (other, at) =>
        at > index &&
        collides(one, { protocol: other.protocol, address: other.hostAddress, port: other.hostPortFirst }),
    ),
  );
  if (twice !== undefined) {
    throw new FairwayError({
      code: "FW3004",
      what: `port ${twice.hostPortFirst}/${twice.protocol} of the container's address is asked for twice`,
      why: "one port leads to one service",
      fix: "give each -p another number",
    });
  }
  return publications;
}
