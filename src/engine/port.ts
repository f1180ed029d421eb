import type { EndpointId, NetworkId } from "../model/ids.ts";

/** Names of one network, as people know it. */
export interface NetworkNames {
  readonly network: string;
  readonly containers: ReadonlyMap<EndpointId, string>;
}

/** Is a container to be sent traffic: it runs, nobody has asked it to stop, and its health check, if it has one, passes. */
export interface Readiness {
  readonly endpoints: readonly EndpointId[];
  readonly isReady: boolean;
}

/** The little that we ask an engine. Never on the way to an answer: the engine may be waiting for us. */
export interface EnginePort {
  /** undefined when the engine does not know the network, or cannot be asked. */
  namesOf(networkId: NetworkId): Promise<NetworkNames | undefined>;
  /**
   * Calls back with every running container, and from then on with each that may have changed. Resolves when the engine
   * has ended the conversation, or `signal` has; rejects when it cannot be asked.
   */
  followReadiness(listener: (readiness: Readiness) => void, signal: AbortSignal): Promise<void>;
}
