import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { EnginePort } from "./port.ts";

const lookUpDelayMs = 300;

/** Remembers names for messages and status. Looks them up behind the scenes, a moment after they may have changed. */
export class EngineNames {
  readonly #engine: EnginePort;
  readonly #networks = new Map<NetworkId, string>();
  readonly #containers = new Map<EndpointId, string>();
  readonly #pending = new Map<NetworkId, NodeJS.Timeout>();
  #closed = false;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  containerOf(endpointId: EndpointId): string | undefined {
    return this.#containers.get(endpointId);
  }

  networkName(networkId: NetworkId): string | undefined {
    return this.#networks.get(networkId);
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
    this.#networks.delete(networkId);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#pending.values()) {
      clearTimeout(timer);
    }
  }

  async #lookUp(networkId: NetworkId): Promise<void> {
    const names = await this.#engine.namesOf(networkId);
    if (names === undefined) {
      return;
    }
    this.#networks.set(networkId, names.network);
    for (const [endpointId, name] of names.containers) {
      this.#containers.set(endpointId, name);
    }
  }
}
