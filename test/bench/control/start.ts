import type { Figure } from "../figure.ts";
import { interleave } from "../rounds.ts";
import { fewer, networkOf, rangeOfPorts, type Side, type Stage, withNetworks } from "../stage.ts";
import { targets } from "../targets.ts";
import { life } from "./life.ts";

export const what = "docker start, docker kill + rm with one published port; ratios net of a container without network";

export async function measure(stage: Stage): Promise<Figure[]> {
  const turn = (side: Side) => () => life(stage, networkOf(side).name, rangeOfPorts(1, 20_000));
  const { none, fairway, builtIn } = await withNetworks(stage, [networkOf("fairway"), networkOf("builtIn")], () =>
    interleave(fewer(stage, 2), {
      none: () => life(stage, "none", []),
      fairway: turn("fairway"),
      builtIn: turn("builtIn"),
    }),
  );
  const common = {
    bench: "start",
    unit: "ms",
    note: "base: the same with --network none; the ratio is of what is above",
  } as const;
  return [
    {
      ...common,
      what: "start, 1 port",
      fairway: fairway.start,
      peer: builtIn.start,
      base: none.start,
      target: targets.start,
    },
    {
      ...common,
      what: "kill + rm, 1 port",
      fairway: fairway.remove,
      peer: builtIn.remove,
      base: none.remove,
      target: targets.remove,
    },
  ];
}
