import type { OwnedLink } from "../kernel/ports.ts";
import type { Publication } from "../model/endpoint.ts";
import type { EndpointId, IfName, NetworkId } from "../model/ids.ts";
import type { BridgeNetwork, Network } from "../model/network.ts";
import { planBridge, planBridgePort } from "../plan/bridge.ts";
import { networkLinkNames } from "../plan/wishes.ts";
import { followHostAddresses } from "./host-addresses.ts";
import { reclaimAllHostPorts } from "./reclaim.ts";
import { settleRoutes } from "./routes.ts";
import { hostFacts, type Workshop } from "./workshop.ts";

/** At every start, before the first call is served: the kernel as the last run left it, or an empty one after a reboot. */
export async function recover(workshop: Workshop): Promise<void> {
  settlePublications(workshop);
  await reconcile(workshop);
  // The host may have another address than when we were last here.
  await followHostAddresses(workshop);
  await reclaimAllHostPorts(workshop);
}

/**
 * A disk that failed while a publication was taken back still holds it, and another endpoint may have the port since.
 * One port leads to one container, so only the first of two records keeps it.
 */
function settlePublications({ registry, log }: Workshop): void {
  const taken = new Set<string>();
  for (const endpoint of registry.endpoints()) {
    const isFree = (one: Publication): boolean => !portsOf(one).some((port) => taken.has(port));
    const [claims, publications] = [endpoint.claims?.filter(isFree), endpoint.publications.filter(isFree)];
    const kept = [...(claims ?? []), ...publications];
    if (kept.length < (endpoint.claims?.length ?? 0) + endpoint.publications.length) {
      log.warn("two records published the same port; one of them lost it", { endpointId: endpoint.id });
      registry.putEndpoint({ ...endpoint, publications, ...(claims === undefined ? {} : { claims }) });
    }
    for (const port of kept.flatMap(portsOf)) {
      taken.add(port);
    }
  }
}

function portsOf({ protocol, hostAddress, hostPortFirst, hostPortLast }: Publication): string[] {
  const count = hostPortLast - hostPortFirst + 1;
  return Array.from({ length: count }, (_, offset) => `${protocol} ${hostAddress} ${hostPortFirst + offset}`);
}

/**
 * Makes the kernel what the records say. Running traffic is not touched where the kernel is right already. Safe while
 * calls are being served: records come before kernel objects, and the kernel is read before the records.
 */
export async function reconcile(workshop: Workshop): Promise<void> {
  const { registry, log } = workshop;
  await takeBackHalfDoneNetworks(workshop);
  const links = await workshop.kernel.links.listOwned();
  removeOrphanLinks(workshop, links);
  await removeDeadEndpoints(workshop, links);
  await workshop.lookAtUplink();
  await workshop.leaveHostWhenUnused();
  if (registry.networks().length > 0) {
    // Before any bridge comes up again: rules stand before what they judge.
    await workshop.firewall.install();
    await admit(workshop);
  }
  for (const network of registry.networks().filter(({ state }) => state === "ready")) {
    await workshop.queue.run(network.id, () => restoreNetwork(workshop, network.id));
  }
  await settleRoutes(workshop);
  log.info("reconciled", { networks: registry.networks().length, endpoints: registry.endpoints().length });
}

/** Another holds the packet filter's lock, at boot perhaps: the keeper tries again, and we need not fail for it. */
async function admit({ kernel, log }: Workshop): Promise<void> {
  try {
    await kernel.engineFirewall.admit();
  } catch (error) {
    log.error("could not pass the engine's packet filter", { error: String(error) });
  }
}

/** The engine was never told that these exist, or believes that they are gone. */
async function takeBackHalfDoneNetworks(workshop: Workshop): Promise<void> {
  for (const network of workshop.registry.networks().filter(({ state }) => state !== "ready")) {
    await workshop.queue.run(network.id, () => takeBackIfHalfDone(workshop, network.id));
  }
}

/** When it is this network's turn, nobody is creating it any more. */
async function takeBackIfHalfDone(workshop: Workshop, id: NetworkId): Promise<void> {
  const network = workshop.registry.network(id);
  if (network !== undefined && network.state !== "ready") {
    workshop.log.warn("took away a network that was being created or deleted", { networkId: id });
    await workshop.removeNetwork(id);
  }
}

/**
 * A joined endpoint without its host link is dead: the host was rebooted, or the container ended while nobody told us.
 * The engine may never send its delete, and would give the address to the next container.
 */
async function removeDeadEndpoints(workshop: Workshop, links: readonly OwnedLink[]): Promise<void> {
  const present = new Set(links.map(({ name }) => name));
  for (const endpoint of workshop.registry.endpoints()) {
    if (endpoint.state === "joined" && !present.has(endpoint.hostIf)) {
      await removeIfDead(workshop, endpoint.id);
    }
  }
}

/** Looks again when it is this endpoint's turn: a join may have been under way. */
export async function removeIfDead(workshop: Workshop, id: EndpointId): Promise<void> {
  await workshop.queue.run(id, async () => {
    const endpoint = workshop.registry.endpoint(id);
    if (endpoint?.state !== "joined") {
      return;
    }
    if (!(await workshop.kernel.links.isPresent(endpoint.hostIf))) {
      workshop.log.warn("removed an endpoint whose link is gone", { endpointId: id });
      await workshop.removeEndpoint(id);
    }
  });
}

function removeOrphanLinks(workshop: Workshop, links: readonly OwnedLink[]): void {
  const { registry } = workshop;
  const wanted = new Set<string>([
    ...registry.networks().flatMap(networkLinkNames),
    ...registry.endpoints().flatMap(({ hostIf, sandboxIf }) => [hostIf, sandboxIf]),
  ]);
  const orphans = links.map(({ name }) => name).filter((name) => !wanted.has(name));
  if (orphans.length > 0) {
    workshop.log.warn("removed leftover links", { orphans });
    workshop.kernel.links.deleteLater(orphans as IfName[]);
  }
}

/** Looks again when it is this network's turn: it may have been deleted meanwhile. */
async function restoreNetwork(workshop: Workshop, id: NetworkId): Promise<void> {
  const network = workshop.registry.network(id);
  if (network?.state !== "ready") {
    return;
  }
  try {
    if (network.mode !== "bridge") {
      await furnishContainers(workshop, network);
    } else if (await workshop.kernel.links.ensureBridge(planBridge(network))) {
      await attachContainers(workshop, network);
    }
  } catch (error) {
    workshop.log.error("could not restore a network", { networkId: id, error: String(error) });
  }
}

/** Of a bridge that somebody removed, the pairs are still there, with nothing to lead to. */
async function attachContainers({ registry, kernel }: Workshop, network: BridgeNetwork): Promise<void> {
  for (const endpoint of registry.endpointsOf(network.id)) {
    await kernel.links.attachVeth(planBridgePort(network, endpoint, hostFacts(kernel)));
  }
}

/** We may have been away when the engine moved an interface. */
async function furnishContainers({ registry, furnisher }: Workshop, network: Network): Promise<void> {
  for (const { id } of registry.endpointsOf(network.id)) {
    await furnisher.furnish(id);
  }
}
