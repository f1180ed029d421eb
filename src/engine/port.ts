import type { EndpointId, NetworkId } from "../model/ids.ts";

/** Names of one network, as people know it. */
export interface NetworkNames {
  readonly network: string;
  readonly containers: ReadonlyMap<EndpointId, string>;
}

/** The little that we ask an engine. Never on the way to an answer: the engine may be waiting for us. */
export interface EnginePort {
  /** undefined when the engine does not know the network, or cannot be asked. */
  namesOf(networkId: NetworkId): Promise<NetworkNames | undefined>;
}
