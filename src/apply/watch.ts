import type { LinkMonitorPort } from "../kernel/ports.ts";
import type { EndpointId } from "../model/ids.ts";
import { networkLinkNames } from "../plan/wishes.ts";
import { followHostAddresses } from "./host-addresses.ts";
import { mendPair } from "./pairs.ts";
import { reconcile, removeIfDead } from "./reconcile.ts";
import type { Workshop } from "./workshop.ts";

/**
 * Heals what nobody reports. When an engine is killed, its containers end without a delete ever reaching us; their
 * links vanish, and with them must go the published ports, before the address leads to another container.
 *
 * @param ready resolves after the recovery at start; what vanishes earlier is looked at then
 */
export function watchLinks(workshop: Workshop, monitor: LinkMonitorPort, ready: Promise<void>): void {
  const report = (error: unknown) =>
    workshop.log.error("clean-up after a vanished link failed", { error: String(error) });
  monitor.onLinkGone((name) => {
    ready.then(() => handleVanishedLink(workshop, name)).catch(report);
  });
  monitor.onLinkUp((name) => {
    const endpoint = workshop.registry.endpointBehind(name);
    if (endpoint?.state === "joined") {
      workshop.furnisher.furnishSoon(endpoint.id).catch(report);
      mendUnlessStarting(workshop, endpoint.id).catch((error: unknown) => {
        workshop.log.error("could not mend a pair that came up", { endpointId: endpoint.id, error: String(error) });
      });
    }
  });
  monitor.onAddressChange(() => {
    ready
      .then(() => lookAtHost(workshop))
      .catch((error: unknown) => {
        workshop.log.error("could not follow the host's address", { error: String(error) });
      });
  });
  monitor.onOverrun(() => {
    ready.then(() => reconcile(workshop)).catch(report);
  });
}

/** The first carrier after a join is the container that starts: nothing is lost yet. */
async function mendUnlessStarting(workshop: Workshop, id: EndpointId): Promise<void> {
  if (!workshop.awaitedPairs.delete(id)) {
    await mendPair(workshop, id);
  }
}

async function lookAtHost(workshop: Workshop): Promise<void> {
  if (workshop.registry.networks().some(({ mode }) => mode === "host")) {
    await workshop.lookAtUplink();
    await followHostAddresses(workshop);
  }
}

async function handleVanishedLink(workshop: Workshop, name: string): Promise<void> {
  const endpoint = workshop.registry.endpointBehind(name);
  if (endpoint !== undefined) {
    await removeIfDead(workshop, endpoint.id);
    return;
  }
  const network = workshop.registry
    .networks()
    .find((candidate) => networkLinkNames(candidate).some((link) => link === name));
  if (network?.state === "ready") {
    workshop.log.warn("a bridge was removed by others; rebuilding", { networkId: network.id });
    await reconcile(workshop);
  }
}
