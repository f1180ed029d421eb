/** Routes of flat addresses: the kernel's brought in line with the records. */

import type { NetworkId } from "../model/ids.ts";
import { hostOf, type Prefix, prefixContains } from "../model/ip.ts";
import type { RouteSpec } from "../plan/specs.ts";
import { planEndpointRoutes } from "../plan/wishes.ts";
import type { Workshop } from "./workshop.ts";

/** Routes of a pair that somebody set down are missing at every look. */
const maxLooks = 3;

/**
 * Takes away what nothing asks for and puts back what is missing: others flush routes, and a link that was down has lost
 * its own. The kernel is read before the records, and what was changed is looked at again: calls may have come in between.
 */
export async function settleRoutes(workshop: Workshop): Promise<void> {
  try {
    let hasChanged = true;
    for (let looks = 0; hasChanged && looks < maxLooks; looks += 1) {
      hasChanged = await settleOnce(workshop);
    }
  } catch (error) {
    workshop.log.error("could not bring routes in line", { error: String(error) });
  }
}

async function settleOnce(workshop: Workshop): Promise<boolean> {
  const { kernel, log } = workshop;
  const present = await kernel.routes.listOwned();
  const wanted = desiredRoutes(workshop);
  const [texts, known] = [new Set(present.map(routeText)), new Set(wanted.map(routeText))];
  const missing = wanted.filter((route) => !texts.has(routeText(route)));
  const orphans = present.filter((route) => !known.has(routeText(route)));
  if (orphans.length > 0) {
    log.warn("removed leftover routes", { orphans: orphans.map(routeText) });
    await kernel.routes.remove(orphans);
  }
  if (missing.length > 0) {
    await kernel.routes.add(missing);
  }
  return orphans.length + missing.length > 0;
}

/** The blocks of a subnet that are this host's have changed. */
export async function followBlocks(workshop: Workshop, subnet: Prefix): Promise<void> {
  const network = workshop.registry
    .networks()
    .find(({ ipv4, ipv6, state }) => state === "ready" && [...ipv4, ...ipv6].some((pool) => pool.subnet === subnet));
  if (network !== undefined) {
    await settleBlocks(workshop, network.id, subnet);
  }
}

async function settleBlocks(workshop: Workshop, id: NetworkId, subnet: Prefix): Promise<void> {
  const network = workshop.registry.network(id);
  if (network === undefined) {
    return;
  }
  const isInside = ({ destination, device }: RouteSpec) =>
    device === undefined && prefixContains(subnet, hostOf(destination));
  const wanted = workshop.networkRoutes(network).filter(isInside);
  const known = new Set(wanted.map(routeText));
  const present = (await workshop.kernel.routes.listOwned()).filter(isInside);
  await workshop.kernel.routes.add(wanted);
  await workshop.kernel.routes.remove(present.filter((route) => !known.has(routeText(route))));
}

function desiredRoutes(workshop: Workshop): RouteSpec[] {
  const { registry } = workshop;
  return [
    ...registry
      .networks()
      .filter(({ state }) => state !== "deleting")
      .flatMap((network) => workshop.networkRoutes(network)),
    ...registry.endpoints().flatMap((endpoint) => {
      const network = registry.network(endpoint.networkId);
      return network === undefined ? [] : planEndpointRoutes(network, endpoint);
    }),
  ];
}

function routeText({ destination, metric, device }: RouteSpec): string {
  return `${destination} ${device ?? "unreachable"} metric ${metric}`;
}
