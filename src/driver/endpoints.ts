import { FairwayError } from "../errors.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId } from "../model/ids.ts";
import { hostOf, type InterfaceAddress, prefixContains, wholeAddress } from "../model/ip.ts";
import { deriveMac } from "../model/mac.ts";
import type { HostNetwork, Network } from "../model/network.ts";
import { parseEndpointOptions } from "../options/endpoint-options.ts";
import { hostIfName, sandboxIfName } from "../plan/names.ts";
import { type DriverContext, requireNetwork } from "./context.ts";
import type { CallContext, CreateEndpointReply, CreateEndpointRequest } from "./driver.ts";
import { subnetsOf } from "./network-record.ts";

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
  const { registry, queue, calledHere } = context.workshop;
  const existing = registry.endpoint(endpoint.id);
  if (existing === undefined) {
    while (network.mode !== "host" && isAddressTaken(context, endpoint)) {
      await removeForgotten(context, endpoint);
    }
    // Its removal may have come in between.
    requireNetwork(context, network.id);
    registry.putEndpoint(endpoint);
    call.onUndelivered(() => queue.run(endpoint.id, () => deleteEndpoint(context, endpoint.id)));
  } else {
    requireSame(existing, endpoint);
  }
  calledHere.add(endpoint.id);
  const open = whatWasLeftOpen(request, endpoint);
  return Object.keys(open).length === 0 ? {} : { interface: open };
}

/** With the host's address, the engine may know nothing of IPv6, or of addresses at all. */
function whatWasLeftOpen(
  request: CreateEndpointRequest,
  { mac, ipv4, ipv6 }: Endpoint,
): NonNullable<CreateEndpointReply["interface"]> {
  return {
    ...(request.mac === undefined ? { mac } : {}),
    ...(request.ipv4 === undefined && ipv4 !== undefined ? { address: ipv4 } : {}),
    ...(request.ipv6 === undefined && ipv6 !== undefined ? { addressIpv6: ipv6 } : {}),
  };
}

export async function deleteEndpoint(context: DriverContext, id: EndpointId): Promise<void> {
  await context.workshop.removeEndpoint(id);
}

function endpointRecord(network: Network, request: CreateEndpointRequest): Endpoint {
  const options = parseEndpointOptions(request.options);
  const { ipv4, ipv6 } = network.mode === "host" ? sharedAddresses(network, request) : request;
  if (ipv4 === undefined && ipv6 === undefined) {
    throw new FairwayError({
      code: "FW3003",
      what: `container on network ${network.id.slice(0, 12)} has no address`,
      why: "the network's IPAM driver assigned none",
      fix: "create the network with a subnet",
    });
  }
  requireFlat(network, [ipv4, ipv6]);
  return {
    id: request.endpointId,
    networkId: network.id,
    state: "created",
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    mac: request.mac ?? deriveMac("endpoint", network.id, macSeed(network, request)),
    hostIf: hostIfName(request.endpointId),
    sandboxIf: sandboxIfName(request.endpointId),
    ...(options.ifName === undefined ? {} : { ifName: options.ifName }),
    publications: [],
  };
}

/** On a bridge an address keeps its MAC, so that no neighbour's cache is ever wrong. A shared address has no neighbours. */
function macSeed(network: Network, { endpointId, ipv4, ipv6 }: CreateEndpointRequest): string {
  return network.mode === "host" ? endpointId : (ipv4 ?? ipv6 ?? "");
}

/** A route to it will stand on the host: an address outside the network's subnets may be anybody's. */
function requireFlat(network: Network, addresses: readonly (InterfaceAddress | undefined)[]): void {
  const stranger = addresses.find(
    (address) => address !== undefined && !subnetsOf(network).some((subnet) => prefixContains(subnet, hostOf(address))),
  );
  if (network.mode === "routed" && stranger !== undefined) {
    throw new FairwayError({
      code: "FW3003",
      what: `address ${hostOf(stranger)} is outside network ${network.id.slice(0, 12)}`,
      why: `its subnets are ${subnetsOf(network).join(", ")}`,
      fix: "choose an --ip inside them, or leave it out",
    });
  }
}

function sharedAddresses(
  network: HostNetwork,
  request: CreateEndpointRequest,
): { readonly ipv4?: InterfaceAddress; readonly ipv6?: InterfaceAddress } {
  const ipv4 = network.sharedIpv4 === undefined ? undefined : wholeAddress(network.sharedIpv4);
  const ipv6 = network.sharedIpv6 === undefined ? undefined : wholeAddress(network.sharedIpv6);
  for (const [wanted, shared] of [
    [request.ipv4, ipv4],
    [request.ipv6, ipv6],
  ]) {
    if (wanted !== undefined && (shared === undefined || hostOf(wanted) !== hostOf(shared))) {
      throw new FairwayError({
        code: "FW3009",
        what: `address ${hostOf(wanted)} is not the one that network ${network.id.slice(0, 12)} shares`,
        why: `its containers have ${[ipv4, ipv6]
          .filter((one) => one !== undefined)
          .map(hostOf)
          .join(" and ")}, like the host`,
        fix: "leave out --ip and --ip6, or create a network with that host_ip",
      });
    }
  }
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
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
