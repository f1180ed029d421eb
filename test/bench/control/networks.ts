import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { networkOf, type Side, type Stage } from "../stage.ts";
import { targets } from "../targets.ts";

export const what = "docker network create, docker network rm";

export async function measure(stage: Stage): Promise<Figure[]> {
  const turn = (side: Side) => async () => ({
    create: await timed(() => stage.api.createNetwork(networkOf(side))),
    remove: await timed(() => stage.api.removeNetwork(networkOf(side).name)),
  });
  const { fairway, builtIn } = await interleave(stage.rounds, { fairway: turn("fairway"), builtIn: turn("builtIn") });
  const common = { bench: "networks", unit: "ms" } as const;
  return [
    { ...common, what: "network create", fairway: fairway.create, peer: builtIn.create, target: targets.createNetwork },
    { ...common, what: "network rm", fairway: fairway.remove, peer: builtIn.remove, target: targets.removeNetwork },
  ];
}
