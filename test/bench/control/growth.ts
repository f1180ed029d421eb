import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { guest, idle, inner, networkOf, type Stage, scatteredPorts, withContainers, withNetworks } from "../stage.ts";
import { targets } from "../targets.ts";

export const what = "connect and disconnect with one port beside 1000 published ports, against the same beside none";

/** What the engine does after it has answered must not fall into the measurement. */
const calmMs = 500;

/** The 1000 ports come and go in each round, so that both states meet the same load of the machine. */
export async function measure(stage: Stage): Promise<Figure[]> {
  const { name } = networkOf("fairway");
  const crowd = idle("crowd", name, scatteredPorts(1000, 20_000));
  const visit = async () => ({
    connect: await timed(() => stage.api.connect(name, "guest")),
    disconnect: await timed(() => stage.api.disconnect(name, "guest")),
  });
  const { many, none } = await withNetworks(stage, [inner, networkOf("fairway")], () =>
    withContainers(stage, [guest("guest", 30_000)], () =>
      interleave(stage.rounds, {
        none: visit,
        many: () =>
          withContainers(stage, [crowd], async () => {
            await delay(calmMs);
            return await visit();
          }),
      }),
    ),
  );
  const common = { bench: "growth", unit: "ms", peerIs: "fairway at 0", target: targets.growth } as const;
  return [
    { ...common, what: "connect, 1 port beside 1000", fairway: many.connect, peer: none.connect },
    { ...common, what: "disconnect, 1 port beside 1000", fairway: many.disconnect, peer: none.disconnect },
  ];
}
