import { createInterface } from "node:readline";
import type Docker from "dockerode";
import { type EndpointId, isEndpointId, type NetworkId } from "../model/ids.ts";
import type { EnginePort, NetworkNames, Readiness } from "./port.ts";
import { type ContainerEvent, type InspectedContainer, parseEvent, readinessOf } from "./readiness.ts";

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
      const docker = await this.#connect({ timeout: timeoutMs });
      const network = (await docker.getNetwork(networkId).inspect()) as InspectedNetwork;
      return { network: network.Name ?? "", containers: containerNames(network) };
    } catch {
      // Names are a courtesy; without them messages show ids.
      return undefined;
    }
  }

  async followReadiness(listener: (readiness: Readiness) => void, signal: AbortSignal): Promise<void> {
    const docker = await this.#connect({ timeout: timeoutMs });
    const look = async (id: string, stoppedBy?: number) => {
      const readiness = await readinessNow(docker, id, stoppedBy);
      if (readiness !== undefined) {
        listener(readiness);
      }
    };
    // Before the list, so that nothing is missed in between. It never ends by itself, so it has no deadline.
    const events = await containerEvents(await this.#connect({}), signal);
    for (const { Id: id } of await docker.listContainers()) {
      await look(id);
    }
    for await (const { containerId, action, signal: stoppedBy } of events) {
      await look(containerId, action === "kill" ? stoppedBy : undefined);
      if (action === "kill") {
        recheckLater(() => look(containerId), signal);
      }
    }
  }

  async #connect(options: { readonly timeout?: number }): Promise<Docker> {
    // Loaded on first use: it costs 150 ms and 35 MB, which the start of the daemon need not pay.
    const { default: Client } = await import("dockerode");
    return new Client({ socketPath: this.#socketPath, ...options });
  }
}

const actions = ["start", "health_status", "kill", "pause", "unpause", "restart"];

async function containerEvents(docker: Docker, signal: AbortSignal): Promise<AsyncIterable<ContainerEvent>> {
  const filters = JSON.stringify({ type: ["container"], event: actions });
  const stream = await docker.getEvents({ filters, abortSignal: signal });
  return (async function* () {
    for await (const line of createInterface({ input: stream })) {
      const event = parseEvent(line);
      if (event !== undefined) {
        yield event;
      }
    }
  })();
}

/** Undefined: it is gone by now, and with it its endpoints. */
async function readinessNow(docker: Docker, id: string, stoppedBy?: number): Promise<Readiness | undefined> {
  try {
    return readinessOf((await docker.getContainer(id).inspect()) as InspectedContainer, stoppedBy);
  } catch {
    return undefined;
  }
}

/** A program may take the signal that asks it to stop for something else. */
const patienceMs = 30_000;

function recheckLater(look: () => Promise<void>, signal: AbortSignal): void {
  const timer = setTimeout(() => void (signal.aborted ? undefined : look()), patienceMs);
  timer.unref();
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
