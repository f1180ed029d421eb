import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { networkOf, type Side, type Stage, standing, withNetworks } from "../stage.ts";
import { targets } from "../targets.ts";

export const what = "docker network create, docker network rm";

/** With its first network the driver installs its rules, and with the last it removes them; so both are measured. */
export async function measure(stage: Stage): Promise<Figure[]> {
  const alone = await compare(stage);
  const beside = await withNetworks(stage, [standing], () => compare(stage));
  const common = { bench: "networks", unit: "ms" } as const;
  return [
    { ...common, what: "network create", ...beside.create, target: targets.createNetwork },
    { ...common, what: "network rm", ...beside.remove, target: targets.removeNetwork },
    { ...common, what: "network create, the first", ...alone.create },
    { ...common, what: "network rm, the last", ...alone.remove },
  ];
}

async function compare(stage: Stage): Promise<Record<"create" | "remove", Pick<Figure, "fairway" | "peer">>> {
  const turn = (side: Side) => async () => ({
    create: await timed(() => stage.api.createNetwork(networkOf(side))),
    remove: await timed(() => stage.api.removeNetwork(networkOf(side).name)),
  });
  const { fairway, builtIn } = await interleave(stage.rounds, { fairway: turn("fairway"), builtIn: turn("builtIn") });
  return {
    create: { fairway: fairway.create, peer: builtIn.create },
    remove: { fairway: fairway.remove, peer: builtIn.remove },
  };
}
