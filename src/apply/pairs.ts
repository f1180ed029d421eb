import type { EndpointId } from "../model/ids.ts";
import { planAttachment } from "../plan/wishes.ts";
import { hostFacts, type Workshop } from "./workshop.ts";

/**
 * A pair without a bridge is more than its link: addresses, neighbours and routes, which the kernel takes away when
 * somebody sets its host side down. A bridge takes its ports back by itself.
 */
export async function mendPair(workshop: Workshop, id: EndpointId): Promise<void> {
  const { registry, kernel, queue, log } = workshop;
  await queue.run(id, async () => {
    const endpoint = registry.endpoint(id);
    const network = endpoint?.state === "joined" ? registry.network(endpoint.networkId) : undefined;
    if (endpoint === undefined || network === undefined) {
      return;
    }
    const step = planAttachment(network, endpoint, hostFacts(kernel), workshop.standingOf);
    if (step.do === "addNextHopLink") {
      await kernel.links.mendNextHopLink(step.spec);
      log.debug("mended a pair that came up again", { endpointId: id });
    }
  });
}
