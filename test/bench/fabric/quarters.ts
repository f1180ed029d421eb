import type { Fabric } from "../../lab/fabric.ts";
import type { FabricHost, RoutingKind } from "../../lab/fabric-host.ts";
import { createNetwork, type FlatBox, openRoutedFabric, runBox } from "../../lab/routed-fabric.ts";
import type { Turn } from "../rounds.ts";
import type { StageOptions } from "../stage.ts";
import type { Summary } from "../stats.ts";

/** Routing daemon of hosts and of the ToR. */
const kinds = {
  BIRD: { daemon: "bird", tor: "bird" },
  FRR: { daemon: "frr", tor: "frr" },
  "BIRD, ToR FRR": { daemon: "bird", tor: "frr" },
} as const satisfies Readonly<Record<string, { readonly daemon: RoutingKind; readonly tor: RoutingKind }>>;
export type Kind = keyof typeof kinds;

export const steadySubnet = "10.60.1.0/26";

/** A fabric of two hosts, and a container on the first one that stays. */
export interface Quarter {
  readonly kind: Kind;
  readonly fabric: Fabric;
  readonly here: FabricHost;
  readonly there: FabricHost;
  readonly steady: FlatBox;
}

export interface Quarters extends AsyncDisposable {
  readonly all: readonly Quarter[];
}

export async function openQuarters({ engine }: StageOptions): Promise<Quarters> {
  await using undo = new AsyncDisposableStack();
  const all: Quarter[] = [];
  for (const kind of Object.keys(kinds) as Kind[]) {
    const fabric = undo.use(await openRoutedFabric({ ...kinds[kind], engine }));
    const [here, there] = [fabric.host(0), fabric.host(1)];
    await createNetwork(here, "steady", "--subnet", steadySubnet, "--ipv6", "--subnet", "2001:db8:60:1::/64");
    all.push({ kind, fabric, here, there, steady: await runBox(here, "steady", "steady") });
  }
  const kept = undo.move();
  return { all, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Contestants for interleave(), by kind. */
export function turnsOf<Measure extends string>(
  quarters: readonly Quarter[],
  turn: (quarter: Quarter, round: number) => Promise<Readonly<Record<Measure, number>>>,
): Readonly<Record<string, Turn<Measure>>> {
  return Object.fromEntries(quarters.map((quarter) => [quarter.kind, (round: number) => turn(quarter, round)]));
}

/** Kind after kind, with what was measured there. */
export function byKind<Measure extends string>(
  results: Readonly<Record<string, Readonly<Record<Measure, Summary>>>>,
): readonly (readonly [Kind, Readonly<Record<Measure, Summary>>])[] {
  return Object.entries(results) as [Kind, Readonly<Record<Measure, Summary>>][];
}
