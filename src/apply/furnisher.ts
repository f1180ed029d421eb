import { setTimeout as sleep } from "node:timers/promises";
import type { FurnishSpec } from "../kernel/ports.ts";
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
    const spec = this.#specOf(id);
    if (spec === undefined) {
      return true;
    }
    const isDone = await this.#carryOut(id, spec);
    if (isDone) {
      await this.#furnishSiblings(id, spec.sandboxKey);
    }
    return isDone;
  }

  /** Each of several networks of this kind in one sandbox has rules about the others. */
  async #furnishSiblings(id: EndpointId, sandboxKey: string): Promise<void> {
    for (const sibling of this.#workshop.registry.endpointsIn(sandboxKey)) {
      const spec = sibling.id === id ? undefined : this.#specOf(sibling.id);
      if (spec !== undefined) {
        await this.#carryOut(sibling.id, spec);
      }
    }
  }

  #specOf(id: EndpointId): FurnishSpec | undefined {
    const { registry } = this.#workshop;
    const endpoint = registry.endpoint(id);
    const network = endpoint === undefined ? undefined : registry.network(endpoint.networkId);
    return endpoint === undefined || network === undefined ? undefined : planSandbox(network, endpoint);
  }

  async #carryOut(id: EndpointId, spec: FurnishSpec): Promise<boolean> {
    const { kernel, log } = this.#workshop;
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
