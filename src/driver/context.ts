import type { Workshop } from "../apply/workshop.ts";
import { FairwayError } from "../errors.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { Network } from "../model/network.ts";

/** Names that people gave to what we know by id only. Filled in the background, so a name may be missing. */
export interface NameBook {
  containerOf(endpointId: EndpointId): string | undefined;
  networkName(networkId: NetworkId): string | undefined;
  /** Asks for the names of this network's containers to be looked up soon. Returns at once. */
  refresh(networkId: NetworkId): void;
  forget(networkId: NetworkId): void;
}

/** Health checks of the engine, from when the first network wants them. */
export interface HealthBook {
  /** The configuration says that the engine is never asked. */
  readonly isOff: boolean;
  begin(): void;
}

/** What every verb of the driver works with. */
export interface DriverContext {
  readonly health: HealthBook;
  readonly workshop: Workshop;
  readonly names: NameBook;
}

/** @throws FairwayError FW5003 */
export function requireNetwork(context: DriverContext, id: NetworkId): Network {
  const network = context.workshop.registry.network(id);
  if (network?.state === "ready") {
    return network;
  }
  throw new FairwayError({
    code: "FW5003",
    what: `network ${id.slice(0, 12)} is not known to fairway`,
    why: "its record is missing; perhaps the state directory was removed or another one is in use",
    fix: "remove the network with `docker network rm` and create it again",
  });
}

/** @throws FairwayError FW5004 */
export function requireEndpoint(context: DriverContext, networkId: NetworkId, id: EndpointId): Endpoint {
  const endpoint = context.workshop.registry.endpoint(id);
  if (endpoint !== undefined && endpoint.networkId === networkId) {
    return endpoint;
  }
  throw new FairwayError({
    code: "FW5004",
    what: `endpoint ${id.slice(0, 12)} on network ${networkId.slice(0, 12)} is not known to fairway`,
    why: "it was never created here, or its container was gone and it has been cleaned up",
    fix: "start the container again",
  });
}
