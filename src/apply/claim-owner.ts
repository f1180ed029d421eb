import type { EndpointId } from "../model/ids.ts";

/** In whose name the ports are held that an endpoint has for being attached. */
export function claimOwner(id: EndpointId): string {
  return `${id} claims`;
}
