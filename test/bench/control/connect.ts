import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { guest, inner, networkOf, type Side, type Stage, withContainers, withNetworks } from "../stage.ts";
import { targets } from "../targets.ts";

export const what = "docker network connect and disconnect of a running container with one published port";

/** One container and one port for both, so that only the network differs. */
export async function measure(stage: Stage): Promise<Figure[]> {
  const networks = [inner, networkOf("fairway"), networkOf("builtIn")];
  const turn = (side: Side) => async () => ({
    connect: await timed(() => stage.api.connect(networkOf(side).name, "guest")),
    disconnect: await timed(() => stage.api.disconnect(networkOf(side).name, "guest")),
  });
  const { fairway, builtIn } = await withNetworks(stage, networks, () =>
    withContainers(stage, [guest("guest", 20_000)], () =>
      interleave(stage.rounds, { fairway: turn("fairway"), builtIn: turn("builtIn") }),
    ),
  );
  const common = { bench: "connect", unit: "ms" } as const;
  return [
    { ...common, what: "connect, 1 port", fairway: fairway.connect, peer: builtIn.connect, target: targets.connect },
    {
      ...common,
      what: "disconnect, 1 port",
      fairway: fairway.disconnect,
      peer: builtIn.disconnect,
      target: targets.disconnect,
    },
  ];
}
