import { FairwayError } from "../errors.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId } from "../model/ids.ts";
import { deriveMac } from "../model/mac.ts";
import type { Network } from "../model/network.ts";
import { parseEndpointOptions } from "../options/endpoint-options.ts";
import { hostIfName, sandboxIfName } from "../plan/names.ts";
import { type DriverContext, requireNetwork } from "./context.ts";
import type { CallContext, CreateEndpointReply, CreateEndpointRequest } from "./driver.ts";

/**
 * Checks and records only; the kernel is changed in join. The engine serialises this call per network, and sends no
 * delete when it fails.
 */
export async function createEndpoint(
  context: DriverContext,
  request: CreateEndpointRequest,
  call: CallContext,
): Promise<CreateEndpointReply> {
  const network = requireNetwork(context, request.networkId);
  const endpoint = endpointRecord(network, request);
  const { registry, queue } = context.workshop;
  const existing = registry.endpoint(endpoint.id);
  if (existing === undefined) {
    while (isAddressTaken(context, endpoint)) {
      await removeForgotten(context, endpoint);
    }
    // Its removal may have come in between.
    requireNetwork(context, network.id);
    registry.putEndpoint(endpoint);
    call.onUndelivered(() => queue.run(endpoint.id, () => deleteEndpoint(context, endpoint.id)));
  } else {
    requireSame(existing, endpoint);
  }
  return request.mac === undefined ? { interface: { mac: endpoint.mac } } : {};
}

export async function deleteEndpoint(context: DriverContext, id: EndpointId): Promise<void> {
  await context.workshop.removeEndpoint(id);
}

function endpointRecord(network: Network, request: CreateEndpointRequest): Endpoint {
  const options = parseEndpointOptions(request.options);
  if (request.ipv4 === undefined && request.ipv6 === undefined) {
    throw new FairwayError({
      code: "FW3003",
      what: `container on network ${network.id.slice(0, 12)} has no address`,
      why: "the network's IPAM driver assigned none",
      fix: "create the network with a subnet",
    });
  }
  return {
    id: request.endpointId,
    networkId: network.id,
    state: "created",
    ...(request.ipv4 === undefined ? {} : { ipv4: request.ipv4 }),
    ...(request.ipv6 === undefined ? {} : { ipv6: request.ipv6 }),
    // From network and address, so that an address keeps its MAC and no neighbour's cache is ever wrong.
    mac: request.mac ?? deriveMac("endpoint", network.id, request.ipv4 ?? request.ipv6 ?? ""),
    hostIf: hostIfName(request.endpointId),
    sandboxIf: sandboxIfName(request.endpointId),
    ...(options.ifName === undefined ? {} : { ifName: options.ifName }),
    publications: [],
  };
}

function isAddressTaken({ workshop }: DriverContext, { networkId, ipv4, ipv6 }: Endpoint): boolean {
  return workshop.registry.endpointsAt(networkId, [ipv4, ipv6]).length > 0;
}

/** The engine hands out an address again only when its former endpoint is gone, even if it never told us. */
async function removeForgotten(context: DriverContext, endpoint: Endpoint): Promise<void> {
  const { registry, queue, log } = context.workshop;
  for (const stale of registry.endpointsAt(endpoint.networkId, [endpoint.ipv4, endpoint.ipv6])) {
    log.warn("removed an endpoint that the engine has forgotten", { endpointId: stale.id });
    await queue.run(stale.id, () => context.workshop.removeEndpoint(stale.id));
  }
}

function requireSame(existing: Endpoint, wanted: Endpoint): void {
  const keys = ["networkId", "ipv4", "ipv6", "mac", "ifName"] as const;
  const changed = keys.find((key) => existing[key] !== wanted[key]);
  if (changed !== undefined) {
    throw new FairwayError({
      code: "FW5005",
      what: `endpoint ${wanted.id.slice(0, 12)} exists already with another ${changed}`,
      why: "the same id was created before, and an endpoint cannot change",
      fix: "start the container again",
    });
  }
}
