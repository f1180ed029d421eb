import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointId } from "../model/ids.ts";
import { planSandbox } from "../plan/wishes.ts";
import type { Workshop } from "./workshop.ts";

/** The event that an interface is up in its sandbox may come a moment before the sandbox can be opened by its name. */
const pausesMs = [5, 20, 50, 200, 500, 1000];

/** Sees to what an engine leaves undone inside a sandbox. */
export class Furnisher {
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  /**
   * Does it if it can be done now; true: there is nothing left to do. Never fails: a container without it reaches the
   * world and is reached, only the host's own services seem to be its own.
   */
  async furnish(id: EndpointId): Promise<boolean> {
    const isDone = await this.#furnishOne(id);
    const { registry } = this.#workshop;
    const { sandboxKey } = registry.endpoint(id) ?? {};
    if (isDone && sandboxKey !== undefined) {
      // Each of several networks of this kind has rules about the others.
      const siblings = registry.endpointsIn(sandboxKey).filter((endpoint) => endpoint.id !== id);
      for (const sibling of siblings) {
        await this.#furnishOne(sibling.id);
      }
    }
    return isDone;
  }

  async #furnishOne(id: EndpointId): Promise<boolean> {
    const { registry, kernel, log } = this.#workshop;
    const endpoint = registry.endpoint(id);
    const network = endpoint === undefined ? undefined : registry.network(endpoint.networkId);
    const spec = endpoint === undefined || network === undefined ? undefined : planSandbox(network, endpoint);
    if (spec === undefined) {
      return true;
    }
    try {
      return await kernel.sandboxes.furnish(spec);
    } catch (error) {
      log.error("could not furnish a sandbox", { endpointId: id, error: String(error) });
      return true;
    }
  }

  /** For an interface that is known to be up: tries again for two seconds. */
  async furnishSoon(id: EndpointId): Promise<void> {
    for (const pauseMs of pausesMs) {
      if (await this.furnish(id)) {
        return;
      }
      await sleep(pauseMs, undefined, { ref: false });
    }
    this.#workshop.log.warn("a sandbox could not be furnished", { endpointId: id });
  }
}
