/** Networks that share the host's address follow it when it changes (DHCP, renumbering). */
import type { HostAddress } from "../kernel/ports.ts";
import type { Endpoint, Publication } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { IpAddress } from "../model/ip.ts";
import type { HostNetwork } from "../model/network.ts";
import { planPublicationFlows } from "../plan/publish.ts";
import type { NftElement } from "../plan/ruleset.ts";
import { chooseShared } from "../plan/shared-address.ts";
import { ownDevices, planEndpointElements } from "../plan/wishes.ts";
import { reclaimHostPorts } from "./reclaim.ts";
import type { Workshop } from "./workshop.ts";

/**
 * An address that is gone stays in force until another takes its place: it mostly comes back. The default route is where
 * the workshop has seen it last.
 */
export async function followHostAddresses(workshop: Workshop): Promise<void> {
  const networks = workshop.registry.networks().filter(({ mode, state }) => mode === "host" && state === "ready");
  if (networks.length === 0) {
    return;
  }
  const present = await ownAddresses(workshop);
  for (const { id } of networks) {
    await workshop.queue.run(id, () => follow(workshop, id, present));
  }
}

/** Those of our own bridges are containers' gateways, not the host's. */
export async function ownAddresses({ registry, kernel }: Workshop): Promise<readonly HostAddress[]> {
  const all = await kernel.links.hostAddresses();
  const ours = ownDevices(registry.networks());
  return all.filter(({ device }) => !ours.has(device));
}

async function follow(workshop: Workshop, id: NetworkId, present: readonly HostAddress[]): Promise<void> {
  const recorded = workshop.registry.network(id);
  if (recorded?.mode !== "host" || recorded.state !== "ready") {
    return;
  }
  // What an earlier look could not bring to its end.
  const before = await moveEndpoints(workshop, recorded);
  if (before.moving !== undefined) {
    return;
  }
  const found = chooseShared(before, present, workshop.uplinkName);
  const [sharedIpv4, sharedIpv6] = [found.ipv4 ?? before.sharedIpv4, found.ipv6 ?? before.sharedIpv6];
  if (sharedIpv4 === before.sharedIpv4 && sharedIpv6 === before.sharedIpv6) {
    return;
  }
  workshop.log.warn("the host's address has changed; containers that run see the old one until they start again", {
    networkId: id,
    before: [before.sharedIpv4, before.sharedIpv6],
    now: [sharedIpv4, sharedIpv6],
  });
  const after: HostNetwork = {
    ...before,
    ...(sharedIpv4 === undefined ? {} : { sharedIpv4 }),
    ...(sharedIpv6 === undefined ? {} : { sharedIpv6 }),
    moving: {
      ...(before.sharedIpv4 === undefined ? {} : { sharedIpv4: before.sharedIpv4 }),
      ...(before.sharedIpv6 === undefined ? {} : { sharedIpv6: before.sharedIpv6 }),
    },
  };
  workshop.registry.putNetwork(after);
  await moveEndpoints(workshop, after);
}

/** The record says until the last one that there are some to move, so that the next look goes on where this one fails. */
async function moveEndpoints(workshop: Workshop, network: HostNetwork): Promise<HostNetwork> {
  const { moving, ...settled } = network;
  if (moving === undefined) {
    return network;
  }
  const { sharedIpv4: _ipv4, sharedIpv6: _ipv6, ...rest } = settled;
  const before: HostNetwork = { ...rest, ...moving };
  let failures = 0;
  for (const { id } of workshop.registry.endpointsOf(network.id)) {
    try {
      await workshop.queue.run(id, () => moveEndpoint(workshop, before, settled, id));
    } catch (error) {
      failures += 1;
      workshop.log.error("could not follow the host's address", { endpointId: id, error: String(error) });
    }
  }
  if (failures > 0) {
    return network;
  }
  workshop.registry.putNetwork(settled);
  return settled;
}

/** Its stand-in address and what the container sees stay; only what the world calls it by changes. */
async function moveEndpoint(
  workshop: Workshop,
  before: HostNetwork,
  after: HostNetwork,
  id: EndpointId,
): Promise<void> {
  const endpoint = workshop.registry.endpoint(id);
  if (endpoint === undefined) {
    return;
  }
  const move = (list: readonly Publication[]) => list.map((one) => moved(one, before, after));
  const next: Endpoint = {
    ...endpoint,
    publications: move(endpoint.publications),
    ...(endpoint.claims === undefined ? {} : { claims: move(endpoint.claims) }),
  };
  workshop.registry.putEndpoint(next);
  const [removed, added] = difference(planEndpointElements(before, endpoint), planEndpointElements(after, next));
  await workshop.applier.applyAll([
    { do: "changeElements", add: added, remove: removed },
    { do: "forgetFlows", filters: planPublicationFlows([...next.publications, ...(next.claims ?? [])]) },
  ]);
  await reclaimHostPorts(workshop, next);
}

function moved(publication: Publication, before: HostNetwork, after: HostNetwork): Publication {
  const pairs: [IpAddress | undefined, IpAddress | undefined][] = [
    [before.sharedIpv4, after.sharedIpv4],
    [before.sharedIpv6, after.sharedIpv6],
  ];
  const pair = pairs.find(([old]) => old === publication.hostAddress);
  return pair?.[1] === undefined ? publication : { ...publication, hostAddress: pair[1] };
}

function difference(before: readonly NftElement[], after: readonly NftElement[]): [NftElement[], NftElement[]] {
  const texts = (elements: readonly NftElement[]) => new Set(elements.map((element) => JSON.stringify(element)));
  const [old, now] = [texts(before), texts(after)];
  return [
    before.filter((element) => !now.has(JSON.stringify(element))),
    after.filter((element) => !old.has(JSON.stringify(element))),
  ];
}
