import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { EnginePort, NetworkNames } from "./port.ts";

const lookUpDelayMs = 300;

/** Remembers names for messages and status. Looks them up behind the scenes, a moment after they may have changed. */
export class EngineNames {
  readonly #engine: Pick<EnginePort, "namesOf">;
  readonly #names = new Map<NetworkId, NetworkNames>();
  readonly #pending = new Map<NetworkId, NodeJS.Timeout>();
  #closed = false;

  constructor(engine: Pick<EnginePort, "namesOf">) {
    this.#engine = engine;
  }

  containerOf(endpointId: EndpointId): string | undefined {
    for (const { containers } of this.#names.values()) {
      const name = containers.get(endpointId);
      if (name !== undefined) {
        return name;
      }
    }
    return undefined;
  }

  networkName(networkId: NetworkId): string | undefined {
    return this.#names.get(networkId)?.network;
  }

  refresh(networkId: NetworkId): void {
    if (this.#pending.has(networkId) || this.#closed) {
      return;
    }
    const timer = setTimeout(() => {
      this.#pending.delete(networkId);
      void this.#lookUp(networkId);
    }, lookUpDelayMs);
    timer.unref();
    this.#pending.set(networkId, timer);
  }

  forget(networkId: NetworkId): void {
    clearTimeout(this.#pending.get(networkId));
    this.#pending.delete(networkId);
    this.#names.delete(networkId);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#pending.values()) {
      clearTimeout(timer);
    }
  }

  async #lookUp(networkId: NetworkId): Promise<void> {
    const names = await this.#engine.namesOf(networkId);
    if (names !== undefined) {
      this.#names.set(networkId, names);
    }
  }
}
