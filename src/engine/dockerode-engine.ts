import { type EndpointId, isEndpointId, type NetworkId } from "../model/ids.ts";
import type { EnginePort, NetworkNames } from "./port.ts";

interface InspectedNetwork {
  readonly Name?: string;
  readonly Containers?: Record<string, { readonly Name?: string; readonly EndpointID?: string } | undefined> | null;
}

const timeoutMs = 5000;

/** Asks a Docker engine over its unix socket. */
export class DockerodeEngine implements EnginePort {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  async namesOf(networkId: NetworkId): Promise<NetworkNames | undefined> {
    try {
      // Loaded on first use: it costs 150 ms and 35 MB, which the start of the daemon need not pay.
      const { default: Docker } = await import("dockerode");
      const docker = new Docker({ socketPath: this.#socketPath, timeout: timeoutMs });
      const network = (await docker.getNetwork(networkId).inspect()) as InspectedNetwork;
      return { network: network.Name ?? "", containers: containerNames(network) };
    } catch {
      // Names are a courtesy; without them messages show ids.
      return undefined;
    }
  }
}

function containerNames(network: InspectedNetwork): Map<EndpointId, string> {
  const names = new Map<EndpointId, string>();
  for (const container of Object.values(network.Containers ?? {})) {
    const { EndpointID: id, Name: name } = container ?? {};
    if (id !== undefined && name !== undefined && isEndpointId(id)) {
      names.set(id, name);
    }
  }
  return names;
}
