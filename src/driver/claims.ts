/** Host ports for a container: what it gets, or why it does not. */
import { claimOwner } from "../apply/claim-owner.ts";
import type { ClaimConflict } from "../kernel/ports.ts";
import type { Endpoint, Publication } from "../model/endpoint.ts";
import type { Network } from "../model/network.ts";
import { planExposed } from "../plan/exposed.ts";
import { type PlannedClaim, planClaims, planLoopbackClaims, planPublications } from "../plan/publish.ts";
import type { DriverContext } from "./context.ts";
import type { JoinRequest } from "./driver.ts";
import { holdingEndpoint, isGranted, portConflict } from "./port-conflict.ts";

/**
 * Takes the ports for `owner`, all of them or none.
 * @throws FairwayError FW3004, FW3005 or FW3006 about the first that cannot be had.
 */
export async function obtain(
  context: DriverContext,
  network: Network,
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
  network: Network,
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
  if (holder?.state !== "joined" || workshop.joinedHere.has(holder.id)) {
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
 * Mode host: the ports that the container listens on are the host's ports of the same number. Undefined where the
 * network takes only what `-p` names.
 */
export async function claimExposed(
  context: DriverContext,
  network: Network,
  endpoint: Endpoint,
  request: JoinRequest,
): Promise<readonly Publication[] | undefined> {
  if (network.mode !== "host" || network.claim !== "exposed") {
    return undefined;
  }
  const requests = planExposed(request.exposed, request.ports);
  const claims = planClaims(network, endpoint, requests);
  return claims.length === 0 ? [] : await obtain(context, network, endpoint, claims, claimOwner(endpoint.id));
}
