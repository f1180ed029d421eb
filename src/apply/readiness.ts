import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId } from "../model/ids.ts";
import type { RouteSpec } from "../plan/specs.ts";
import type { Workshop } from "./workshop.ts";

/** The new route comes before the old one goes: to this host, the container is there all the time. */
export async function followReadiness(workshop: Workshop, id: EndpointId, isReady: boolean): Promise<void> {
  await workshop.queue.run(id, async () => {
    const endpoint = workshop.registry.endpoint(id);
    const network = endpoint === undefined ? undefined : workshop.registry.network(endpoint.networkId);
    const isConcerned = network?.mode === "routed" && network.announce === "healthy" && endpoint?.state === "joined";
    if (network === undefined || endpoint === undefined || !isConcerned || (endpoint.healthy ?? false) === isReady) {
      return;
    }
    const after: Endpoint = { ...endpoint, healthy: isReady };
    // A full disk must not keep an address announced that nobody is to be sent to.
    workshop.recordInAnyCase(() => workshop.registry.reduceEndpoint(after));
    // An address that was lost to another host is not announced, healthy or not.
    const metrics = new Set(workshop.endpointRoutes(network, after).map(keyOf));
    const isOther = (route: RouteSpec) => !metrics.has(keyOf(route));
    await workshop.applier.applyAll([
      { do: "addRoutes", routes: workshop.endpointRoutes(network, after) },
      { do: "deleteRoutes", routes: workshop.endpointRoutes(network, endpoint).filter(isOther) },
    ]);
    workshop.log.info(isReady ? "announcing a container" : "withdrew a container", { endpointId: id });
  });
}

function keyOf({ destination, metric }: RouteSpec): string {
  return `${destination} ${metric}`;
}
