import type { ContainerSpec } from "../engine-api.ts";
import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { fewer, guest, inner, networkOf, type Side, type Stage } from "../stage.ts";
import { targets } from "../targets.ts";

export const what = "20 containers with one port each, connected and disconnected at once; wall time of all";

const count = 20;

export async function measure(stage: Stage): Promise<Figure[]> {
  const guests = Array.from({ length: count }, (_, index) => guest(`guest${index}`, 20_000 + index));
  const all = (action: (name: string) => Promise<void>) =>
    timed(() => Promise.all(guests.map(({ name }) => action(name))));
  const turn = (side: Side) => async () => ({
    connect: await all((name) => stage.api.connect(networkOf(side).name, name)),
    disconnect: await all((name) => stage.api.disconnect(networkOf(side).name, name)),
  });
  await prepare(stage, guests);
  const { fairway, builtIn } = await interleave(fewer(stage, 6), {
    fairway: turn("fairway"),
    builtIn: turn("builtIn"),
  });
  const common = { bench: "parallel", unit: "ms", target: targets.parallel } as const;
  return [
    { ...common, what: `${count} connects at once`, fairway: fairway.connect, peer: builtIn.connect },
    { ...common, what: `${count} disconnects at once`, fairway: fairway.disconnect, peer: builtIn.disconnect },
  ];
}

/**
 * Nothing of it is removed: engine 20.10 miscounts a network's endpoints when they leave at once, and refuses to remove
 * the network afterwards.
 */
async function prepare({ api }: Stage, guests: readonly ContainerSpec[]): Promise<void> {
  for (const network of [inner, networkOf("fairway"), networkOf("builtIn")]) {
    await api.createNetwork(network);
  }
  for (const container of guests) {
    await api.createContainer(container);
    await api.startContainer(container.name);
  }
}
