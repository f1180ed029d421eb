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
  /** What containers that may be stopping were sent, by their ids. */
  readonly #signals = new Map<string, readonly number[]>();

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
    const over = new AbortController();
    const look = async (id: string): Promise<void> => {
      const container = await inspect(docker, id);
      if (container === "unknown") {
        // It tells of a change once only. After a break in the conversation all are asked for anyway.
        setTimeout(() => void (over.signal.aborted || signal.aborted ? undefined : look(id)), pauseMs).unref();
      } else if (container !== "gone") {
        listener(readinessOf(container, this.#signals.get(id)));
      }
    };
    try {
      await this.#follow(docker, look, signal);
    } finally {
      over.abort();
    }
  }

  async #follow(docker: Docker, look: (id: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    // Before the list, so that nothing is missed in between. It never ends by itself, so it has no deadline.
    const events = await containerEvents(await this.#connect({}), signal);
    for (const { Id: id } of await docker.listContainers()) {
      await look(id);
    }
    for await (const { containerId: id, action, signal: sent } of events) {
      if (action === "start" || action === "restart") {
        this.#signals.delete(id);
      } else if (action === "kill" && sent !== undefined) {
        this.#remember(id, sent, look);
      }
      await look(id);
    }
  }

  /** A program may take the signal that asks it to stop for something else, and then runs on. */
  #remember(id: string, sent: number, look: (id: string) => Promise<void>): void {
    const signals = [...(this.#signals.get(id) ?? []), sent];
    this.#signals.set(id, signals);
    const timer = setTimeout(() => {
      if (this.#signals.get(id) === signals) {
        this.#signals.delete(id);
        void look(id);
      }
    }, patienceMs);
    timer.unref();
  }

  async #connect(options: { readonly timeout?: number }): Promise<Docker> {
    // Loaded on first use: it costs 150 ms and 35 MB, which the start of the daemon need not pay.
    const { default: Client } = await import("dockerode");
    return new Client({ socketPath: this.#socketPath, ...options });
  }
}

/** Until an engine is asked again that did not say. */
const pauseMs = 2000;
/** Longer than anybody lets a container take to stop. */
const patienceMs = 600_000;

const actions = ["start", "health_status", "kill", "pause", "unpause", "restart", "connect"];

async function containerEvents(docker: Docker, signal: AbortSignal): Promise<AsyncIterable<ContainerEvent>> {
  const filters = JSON.stringify({ type: ["container", "network"], event: actions });
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

/** Gone: and with it its endpoints. Unknown: the engine does not say. */
async function inspect(docker: Docker, id: string): Promise<InspectedContainer | "gone" | "unknown"> {
  try {
    return (await docker.getContainer(id).inspect()) as InspectedContainer;
  } catch (error) {
    return (error as { readonly statusCode?: number }).statusCode === 404 ? "gone" : "unknown";
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
