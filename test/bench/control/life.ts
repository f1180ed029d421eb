import type { Ports } from "../engine-api.ts";
import { timed } from "../rounds.ts";
import { idle, type Stage } from "../stage.ts";

/** Start, then kill and rm, of one container; making it is not counted, for networks have no part in it. */
export async function life({ api }: Stage, network: string, ports: Ports): Promise<{ start: number; remove: number }> {
  await api.createContainer(idle("life", network, ports));
  const start = await timed(() => api.startContainer("life"));
  return { start, remove: await timed(() => api.removeContainer("life")) };
}
