import type { EngineVersion } from "../lab/engines.ts";
import { type LabHost, startHost } from "../lab/host.ts";
import { TEST_IMAGE } from "../lab/image.ts";
import { type Lan, type LanClient, openLan } from "../lab/lan.ts";
import { type ContainerSpec, EngineApi, type NetworkSpec, type Ports } from "./engine-api.ts";

/** The two that are compared. Values are driver names. */
export const drivers = { fairway: "fairway", builtIn: "bridge" } as const;
export type Side = keyof typeof drivers;

export interface StageOptions {
  readonly engine: EngineVersion;
  /** Samples per figure; benches whose samples take long divide it. */
  readonly rounds: number;
  /** Ports that the built-in driver gets where fairway gets 1000. */
  readonly peerPorts: number;
  readonly say: (text: string) => void;
}

/** One machine with one engine and one driver, and a client on its LAN. */
export interface Stage extends StageOptions {
  readonly host: LabHost;
  readonly client: LanClient;
  readonly api: EngineApi;
  /** The host's address on the LAN. */
  readonly address: string;
}

export async function withStage<Result>(
  options: StageOptions,
  use: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  await using lan: Lan = await openLan();
  await using client = await lan.client("client");
  await using host = await startHost({ engine: options.engine, lan, images: ["test"] });
  await host.startDriver();
  const api = new EngineApi(host.apiSocket);
  try {
    return await use({ ...options, host, client, api, address: host.uplink?.ipv4 ?? "" });
  } finally {
    api.close();
  }
}

/** A share of the rounds, for benches with expensive samples; at least one. */
export function fewer({ rounds }: StageOptions, divisor: number): number {
  return Math.max(1, Math.round(rounds / divisor));
}

/** Makes the networks, and removes them after use. */
export async function withNetworks<Result>(
  { api }: Stage,
  networks: readonly NetworkSpec[],
  use: () => Promise<Result>,
): Promise<Result> {
  // Not try and finally: a failing removal would hide why it failed.
  await using made = new AsyncDisposableStack();
  for (const network of networks) {
    await api.createNetwork(network);
    made.defer(() => api.removeNetwork(network.name));
  }
  return await use();
}

/** Starts the containers, and kills and removes them after use. */
export async function withContainers<Result>(
  { api }: Stage,
  containers: readonly ContainerSpec[],
  use: () => Promise<Result>,
): Promise<Result> {
  await using made = new AsyncDisposableStack();
  for (const container of containers) {
    await api.createContainer(container);
    made.defer(() => api.removeContainer(container.name));
    await api.startContainer(container.name);
  }
  return await use();
}

/** A network of either driver. */
export function networkOf(side: Side): NetworkSpec {
  return { name: `bench-${side.toLowerCase()}`, driver: drivers[side] };
}

/** A first network without a way out, so that the next one connected is where ports are published. */
export const inner: NetworkSpec = { name: "bench-inner", driver: drivers.builtIn, internal: true };

/** A network of fairway's that stays, so that the ones measured are not the first and the last. */
export const standing: NetworkSpec = { name: "bench-standing", driver: drivers.fairway };

/** A container with one published port that no network serves yet. */
export function guest(name: string, hostPort: number): ContainerSpec {
  return idle(name, inner.name, [{ hostPort, containerPort: 80 }]);
}

/** A container that does nothing: what is measured is its network. */
export function idle(name: string, network: string, ports: Ports = []): ContainerSpec {
  return { name, network, ports, image: TEST_IMAGE, command: ["sleep", "2147483647"] };
}

/** Consecutive numbers, the same outside and inside, as `-p 20000-20999:20000-20999` makes them. */
export function rangeOfPorts(count: number, first: number): Ports {
  return Array.from({ length: count }, (_, index) => ({ hostPort: first + index, containerPort: first + index }));
}

/** No two neighbours, and other numbers inside: every port is an element, or a set of rules, of its own. */
export function scatteredPorts(count: number, first: number): Ports {
  return Array.from({ length: count }, (_, index) => ({ hostPort: first + 2 * index, containerPort: 1000 + index }));
}
