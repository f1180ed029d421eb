import { ownAddresses } from "../apply/host-addresses.ts";
import { FairwayError } from "../errors.ts";
import type { HostRoute } from "../kernel/ports.ts";
import type { NetworkId } from "../model/ids.ts";
import type { Family, IpAddress } from "../model/ip.ts";
import type { BridgeNetwork, Network } from "../model/network.ts";
import { parseNetworkOptions } from "../options/network-options.ts";
import type { Step } from "../plan/steps.ts";
import { networkLinkNames, ownDevices, planForwarding, planNetworkElements, planNetworkLinks } from "../plan/wishes.ts";
import type { DriverContext } from "./context.ts";
import type { CallContext, CreateNetworkRequest } from "./driver.ts";
import { hostRecord } from "./host-record.ts";
import { requireGateway } from "./link-local-gateways.ts";
import { bridgeRecord, sameNetwork, subnetsOf } from "./network-record.ts";
import {
  findRouteConflict,
  overlappingNetworks,
  type RouteConflict,
  refuseNetworkOverlap,
  refuseReserved,
  refuseRouteConflict,
} from "./overlap.ts";
import { routedRecord } from "./routed-record.ts";

export async function createNetwork(
  context: DriverContext,
  request: CreateNetworkRequest,
  call: CallContext,
): Promise<void> {
  const { registry, applier, queue } = context.workshop;
  let network = await networkRecord(context, request);
  const existing = registry.network(network.id);
  if (existing?.state === "ready") {
    requireSame(existing, network);
    return;
  }
  refuseUnwatched(context, network);
  refuseReserved(subnetsOf(network));
  if (network.mode === "bridge") {
    await refuseForeignBridge(context, network);
  }
  do {
    await makeRoom(context, request, network);
    // Another creation may have come in between; from here to the record nothing waits.
  } while (overlappingNetworks(network, registry.networks()).length > 0);
  network = withoutConflict(context, network);
  registry.putNetwork(network);
  try {
    await applier.applyOrUndo(creationSteps(context, network), {
      signal: call.signal,
      forget: () => registry.deleteNetwork(network.id),
    });
    registry.putNetwork({ ...network, state: "ready" });
  } catch (error) {
    await context.workshop.removeNetwork(network.id);
    await context.workshop.leaveHostWhenUnused();
    throw error;
  }
  context.names.refresh(network.id);
  if (network.mode === "routed" && network.announce === "healthy") {
    context.health.begin();
  }
  call.onUndelivered(() => queue.run(network.id, () => deleteNetwork(context, network.id)));
}

export async function deleteNetwork(context: DriverContext, id: NetworkId): Promise<void> {
  await context.workshop.removeNetwork(id);
  context.names.forget(id);
}

/**
 * Rules first: from its first moment the bridge is judged by them. And at once after the record: an installation on
 * behalf of others brings the elements of every record, and only a step that was taken is taken back.
 */
function creationSteps({ workshop }: DriverContext, network: Network): Step[] {
  return [
    { do: "changeElements", add: planNetworkElements(network), remove: [] },
    { do: "enableForwarding", families: planForwarding(network) },
    { do: "admitForwarding" },
    ...planNetworkLinks(network),
    { do: "addRoutes", routes: workshop.networkRoutes(network) },
  ];
}

/** What the user asked for, seen with the host's eyes. */
async function networkRecord(context: DriverContext, request: CreateNetworkRequest): Promise<Network> {
  const options = parseNetworkOptions(request.options);
  const { kernel, registry } = context.workshop;
  const uplink = await context.workshop.lookAtUplink();
  if (options.mode === "bridge") {
    return bridgeRecord(request, options, uplink?.mtuBytes);
  }
  const before = registry.network(request.networkId);
  const isGatewayTaken = (gateway: IpAddress) => registry.networkAt(gateway) !== undefined;
  if (options.mode === "routed") {
    return routedRecord(request, options, { uplinkMtuBytes: uplink?.mtuBytes, isGatewayTaken, before });
  }
  const addresses = await ownAddresses(context.workshop);
  const devices = [...new Set(addresses.map(({ device }) => device))];
  const mtus = await Promise.all(devices.map(async (device) => [device, await kernel.links.mtuBytes(device)] as const));
  const surroundings = {
    addresses,
    uplink: uplink?.name,
    isGatewayTaken,
    before,
  };
  return hostRecord(
    request,
    options,
    surroundings,
    new Map(mtus.filter((pair) => pair[1] !== undefined) as [string, number][]),
  );
}

/** Without the engine's health checks no address of it would ever be announced. */
function refuseUnwatched({ health }: DriverContext, network: Network): void {
  if (network.mode === "routed" && network.announce === "healthy" && health.isOff) {
    throw new FairwayError({
      code: "FW1003",
      what: "option announce=healthy and the setting dockerHost=none contradict each other",
      why: "health checks are the engine's, and fairway may not ask it; no address would ever be announced",
      fix: "set dockerHost to the engine's socket (docs/configuration.md), or write announce=address",
    });
  }
}

function requireSame(existing: Network, wanted: Network): void {
  if (!sameNetwork(existing, wanted)) {
    throw new FairwayError({
      code: "FW5005",
      what: `network ${wanted.id.slice(0, 12)} exists already with other settings`,
      why: "the same id was created before, and a network cannot change",
      fix: "remove the network and create it again",
    });
  }
}

/** Another creation may have taken a name or a gateway. Without a wait between this and the record. */
function withoutConflict(context: DriverContext, network: Network): Network {
  if (network.mode === "bridge") {
    refuseTakenBridge(context, network);
    return network;
  }
  const isTaken = (gateway: IpAddress): boolean => {
    const holder = context.workshop.registry.networkAt(gateway);
    return holder !== undefined && holder.id !== network.id;
  };
  const free = (family: Family, gateway: IpAddress) => (isTaken(gateway) ? requireGateway(family, isTaken) : gateway);
  return {
    ...network,
    gatewayIpv4: free("ipv4", network.gatewayIpv4),
    gatewayIpv6: free("ipv6", network.gatewayIpv6),
  };
}

function refuseTakenBridge(context: DriverContext, network: BridgeNetwork): void {
  const holder = context.workshop.registry
    .networks()
    .find((other) => networkLinkNames(other).includes(network.bridge) && other.id !== network.id);
  if (holder !== undefined) {
    const name = context.names.networkName(holder.id) ?? holder.id.slice(0, 12);
    throw new FairwayError({
      code: "FW3007",
      what: `bridge name ${network.bridge} is taken by network "${name}"`,
      why: "each network has a bridge of its own",
      fix: "choose another bridge_name",
    });
  }
}

/** Before anything is recorded: whatever follows from a record may be deleted, and this is not ours. */
async function refuseForeignBridge(context: DriverContext, network: BridgeNetwork): Promise<void> {
  const what = await context.workshop.kernel.links.foreignLink(network.bridge);
  if (what !== undefined) {
    throw new FairwayError({
      code: "FW3007",
      what: `interface ${network.bridge} exists already and does not belong to fairway`,
      why: `it is ${what}`,
      fix: "choose another bridge_name",
    });
  }
}

/**
 * The engine's own IPAM never assigns one subnet twice, so a network of ours that is in the way is one that the engine
 * has forgotten (it crashed, or its delete was lost): it goes. Under any other IPAM driver the overlap is refused.
 */
async function makeRoom(context: DriverContext, request: CreateNetworkRequest, network: Network): Promise<void> {
  const { workshop } = context;
  for (const other of overlappingNetworks(network, workshop.registry.networks())) {
    if (!assignedByEngine(request)) {
      refuseNetworkOverlap(network, other, context.names.networkName(other.id));
    }
    workshop.log.warn("removed a network that the engine has forgotten", { networkId: other.id });
    await workshop.queue.run(other.id, () => workshop.removeNetwork(other.id));
  }
  if ((await routeConflict(context, network)) === undefined) {
    return;
  }
  // It may be a bridge of ours that is about to go.
  await workshop.kernel.links.settled();
  const conflict = await routeConflict(context, network);
  if (conflict !== undefined) {
    refuseRouteConflict(conflict.subnet, conflict.route);
  }
}

/** In mode routed, other hosts have parts of the subnet, and a routing daemon has learnt where. */
async function routeConflict({ workshop }: DriverContext, network: Network): Promise<RouteConflict | undefined> {
  const ours = ownDevices(workshop.registry.networks());
  const routes = await workshop.kernel.links.listRoutes();
  const isOthers = ({ maker, onLink }: HostRoute) =>
    !(network.mode === "routed" && (maker === "fairway" || (maker === "routing daemon" && !onLink)));
  return findRouteConflict(subnetsOf(network), routes.filter(isOthers), ours);
}

function assignedByEngine(request: CreateNetworkRequest): boolean {
  return [...request.ipv4, ...request.ipv6].every(({ addressSpace }) => addressSpace === "LocalDefault");
}
