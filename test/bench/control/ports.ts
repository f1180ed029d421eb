import type { Ports } from "../engine-api.ts";
import type { Figure, Target } from "../figure.ts";
import { interleave } from "../rounds.ts";
import { fewer, networkOf, rangeOfPorts, type Side, type Stage, scatteredPorts, withNetworks } from "../stage.ts";
import { targets } from "../targets.ts";
import { life } from "./life.ts";

export const what = "start, kill + rm with 32, 200 and 1000 published ports";

const first = 20_000;

export async function measure(stage: Stage): Promise<Figure[]> {
  return await withNetworks(stage, [networkOf("fairway"), networkOf("builtIn")], async () => [
    ...(await compare(stage, 32, fewer(stage, 8), { start: targets.start32, remove: targets.remove32 })),
    ...(await compare(stage, 200, fewer(stage, 30), { start: targets.start200, remove: targets.remove200 })),
    ...(await alone(stage, "a range of 1000 ports", rangeOfPorts(1000, first))),
    ...(await alone(stage, "1000 scattered ports", scatteredPorts(1000, first))),
  ]);
}

async function compare(
  stage: Stage,
  count: number,
  rounds: number,
  wanted: { readonly start: Target; readonly remove: Target },
): Promise<Figure[]> {
  stage.say(`${count} ports`);
  const turn = (side: Side) => () => life(stage, networkOf(side).name, scatteredPorts(count, first));
  const { fairway, builtIn } = await interleave(rounds, { fairway: turn("fairway"), builtIn: turn("builtIn") });
  const common = { bench: "ports", unit: "ms" } as const;
  return [
    {
      ...common,
      what: `start, ${count} ports`,
      fairway: fairway.start,
      peer: builtIn.start,
      target: wanted.start,
    },
    {
      ...common,
      what: `kill + rm, ${count} ports`,
      fairway: fairway.remove,
      peer: builtIn.remove,
      target: wanted.remove,
    },
  ];
}

/** The built-in driver needs a minute and more for each; bench "many" has one sample of it. */
async function alone(stage: Stage, ports: string, list: Ports): Promise<Figure[]> {
  stage.say(ports);
  const { fairway } = await interleave(fewer(stage, 6), {
    fairway: () => life(stage, networkOf("fairway").name, list),
  });
  const common = { bench: "ports", unit: "ms" } as const;
  return [
    { ...common, what: `start, ${ports}`, fairway: fairway.start },
    { ...common, what: `kill + rm, ${ports}`, fairway: fairway.remove },
  ];
}
