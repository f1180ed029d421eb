import type { Endpoint, Publication } from "../model/endpoint.ts";
import type { PortClaim } from "../plan/specs.ts";
import { claimOwner } from "./claim-owner.ts";
import type { Workshop } from "./workshop.ts";

/** Sockets die with the process; the published ports did not. */
export async function reclaimAllHostPorts(workshop: Workshop): Promise<void> {
  for (const endpoint of workshop.registry.endpoints()) {
    await reclaimHostPorts(workshop, endpoint);
  }
}

export async function reclaimHostPorts(workshop: Workshop, endpoint: Endpoint): Promise<void> {
  await reclaim(workshop, endpoint.id, endpoint.publications);
  await reclaim(workshop, claimOwner(endpoint.id), endpoint.claims ?? []);
}

async function reclaim(workshop: Workshop, owner: string, publications: readonly Publication[]): Promise<void> {
  const claims = claimsOf(publications);
  if (claims.length === 0) {
    return;
  }
  await workshop.kernel.hostPorts.release(owner);
  if (!Array.isArray(await workshop.kernel.hostPorts.claim(owner, claims))) {
    await reclaimOneByOne(workshop, owner, claims);
  }
}

/** What is lost must not cost the others theirs: other ports, and other addresses of the same port. */
async function reclaimOneByOne({ kernel, log }: Workshop, owner: string, claims: readonly PortClaim[]): Promise<void> {
  const singly = claims.flatMap((claim) => claim.addresses.map((address) => ({ ...claim, addresses: [address] })));
  for (const claim of singly) {
    const conflict = await kernel.hostPorts.claim(owner, [claim]);
    if (!Array.isArray(conflict)) {
      log.warn("a published port was taken by another process meanwhile", { owner, conflict });
    }
  }
}

function claimsOf(publications: readonly Publication[]): PortClaim[] {
  const byPort = new Map<string, PortClaim>();
  for (const publication of publications.filter(({ isOwn }) => isOwn !== true)) {
    for (let port = publication.hostPortFirst; port <= publication.hostPortLast; port += 1) {
      const key = `${publication.protocol} ${port}`;
      const addresses = [...(byPort.get(key)?.addresses ?? []), publication.hostAddress];
      byPort.set(key, { protocol: publication.protocol, addresses, first: port, last: port });
    }
  }
  return [...byPort.values()];
}
