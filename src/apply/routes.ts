/** Routes of flat addresses: the kernel's brought in line with the records. */
import type { Prefix } from "../model/ip.ts";
import type { RouteSpec } from "../plan/specs.ts";
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
  // In this order: a route that gets another metric is never without either.
  try {
    if (missing.length > 0) {
      await kernel.routes.add(missing);
    }
  } finally {
    // Whatever is in the way of another route: what nothing asks for is announced as long as it stands.
    if (orphans.length > 0) {
      log.warn("removed leftover routes", { orphans: orphans.map(routeText) });
      await kernel.routes.remove(orphans);
    }
  }
  return orphans.length + missing.length > 0;
}

/** The blocks of a subnet that are this host's have changed: those of the subnet's network, if it is one of flat addresses. */
export async function followBlocks(workshop: Workshop, subnet: Prefix): Promise<void> {
  if (workshop.registry.networkIn(subnet)?.mode === "routed") {
    await settleRoutes(workshop);
  }
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
      return network === undefined ? [] : workshop.endpointRoutes(network, endpoint);
    }),
  ];
}

function routeText({ destination, metric, device }: RouteSpec): string {
  return `${destination} ${device ?? "unreachable"} metric ${metric}`;
}
