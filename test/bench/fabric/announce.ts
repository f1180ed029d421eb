import type { Figure } from "../figure.ts";
import type { StageOptions } from "../stage.ts";
import { firstReplies } from "./first-reply.ts";
import { interruptions } from "./interruptions.ts";
import { openQuarters } from "./quarters.ts";
import { bursts, singleRoutes } from "./spread.ts";

export const what = "routes of mode routed on their way through a fabric: two hosts and a ToR with BIRD, FRR, and both";

export async function perform(options: StageOptions): Promise<Figure[]> {
  await using quarters = await openQuarters(options);
  const plain = quarters.all.filter(({ kind }) => kind === "BIRD" || kind === "FRR");
  const figures: Figure[] = [];
  for (const [name, part, scene] of [
    ["one route", singleRoutes, plain],
    ["bursts", bursts, plain],
    ["first replies", firstReplies, plain],
    ["interruptions", interruptions, quarters.all],
  ] as const) {
    options.say(`announce: ${name}`);
    figures.push(...(await part(options, scene)));
  }
  return figures;
}
