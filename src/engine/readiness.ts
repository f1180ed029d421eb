/** What an engine says about its containers, as readiness. Pure. */
import { isEndpointId } from "../model/ids.ts";
import type { Readiness } from "./port.ts";

/** The part of `GET /containers/ID/json` that counts. */
export interface InspectedContainer {
  readonly State?: {
    readonly Running?: boolean;
    readonly Paused?: boolean;
    readonly Health?: { readonly Status?: string };
  };
  readonly Config?: { readonly StopSignal?: string };
  readonly NetworkSettings?: {
    readonly Networks?: Record<string, { readonly EndpointID?: string } | undefined> | null;
  };
}

export interface ContainerEvent {
  readonly containerId: string;
  /** "start", "health_status: healthy", "kill", …; "connect": to a network */
  readonly action: string;
  /** Number of the signal of a kill. */
  readonly signal?: number;
}

/** One line of `GET /events`; undefined for what is no event that a container took part in. */
export function parseEvent(line: string): ContainerEvent | undefined {
  const event = parseObject(line);
  const actor = event["Actor"] as { readonly ID?: unknown; readonly Attributes?: Record<string, unknown> } | undefined;
  const [id, action] = [actor?.ID, event["Action"]];
  const container = actor?.Attributes?.["container"];
  if (event["Type"] === "network" && action === "connect" && typeof container === "string") {
    return { containerId: container, action };
  }
  if (event["Type"] !== "container" || typeof id !== "string" || typeof action !== "string") {
    return undefined;
  }
  const signal = Number(actor?.Attributes?.["signal"]);
  return { containerId: id, action, ...(Number.isInteger(signal) ? { signal } : {}) };
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** @param signals that somebody has sent it since it began */
export function readinessOf(container: InspectedContainer, signals: readonly number[] = []): Readiness {
  const { State: state, NetworkSettings: settings } = container;
  const endpoints = Object.values(settings?.Networks ?? {})
    .map((network) => network?.EndpointID ?? "")
    .filter(isEndpointId);
  const health = state?.Health?.Status ?? "none";
  const isStopping = signals.some((signal) => endsIt(container, signal));
  const isReady = state?.Running === true && state.Paused !== true && (health === "none" || health === "healthy");
  return { endpoints, isReady: isReady && !isStopping };
}

/** Numbers of signal(7) on x86 and ARM; names as `docker run --stop-signal` takes them. */
const signals: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  TERM: 15,
  WINCH: 28,
};

/** `docker stop` sends the container's own signal; a kill needs no agreement. */
function endsIt({ Config: config }: InspectedContainer, signal: number): boolean {
  const name = config?.StopSignal ?? "TERM";
  const own = /^\d+$/.test(name) ? Number(name) : (signals[name.replace(/^SIG/, "")] ?? signals["TERM"]);
  return signal === signals["KILL"] || signal === own;
}
