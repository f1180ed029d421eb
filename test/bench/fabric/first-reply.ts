/** From the start of a container to the first answer that a machine without routes of its own gets from it. */
import { setTimeout as delay } from "node:timers/promises";
import { startProbe } from "../../lab/prober.ts";
import { createNetwork } from "../../lab/routed-fabric.ts";
import { EngineApi } from "../engine-api.ts";
import type { Figure } from "../figure.ts";
import { interleave } from "../rounds.ts";
import { fewer, idle, type StageOptions } from "../stage.ts";
import { targets } from "../targets.ts";
import { byKind, type Quarter, turnsOf } from "./quarters.ts";

const network = "quick";
const name = "bench-quick";
const firstHost = 10;
/** The probe is under way when the container starts. */
const headStartMs = 200;

export async function firstReplies(options: StageOptions, quarters: readonly Quarter[]): Promise<Figure[]> {
  for (const { here } of quarters) {
    await createNetwork(here, network, "--subnet", "10.60.100.0/24", "-o", "announce=address");
  }
  const results = await interleave(fewer(options, 2), turnsOf(quarters, firstReply));
  return byKind(results).flatMap(([kind, { reply, ahead }]) => {
    const common = { bench: "announce", unit: "ms" } as const;
    return [
      {
        ...common,
        what: `${kind}: start of a container to first reply at bare metal`,
        fairway: reply,
        target: targets.firstReply,
        note: "announce=address; create and start by the Engine API, echo requests each 10 to 20 ms",
      },
      {
        ...common,
        what: `${kind}: first reply after the engine's answer`,
        fairway: ahead,
        target: targets.beforeReturn,
        note: "below zero: before docker run returns",
      },
    ];
  });
}

async function firstReply({ fabric, here }: Quarter, round: number) {
  const ipv4 = `10.60.100.${firstHost + round}`;
  const api = new EngineApi(here.lab.apiSocket);
  const probe = await startProbe(fabric.bareMetal.space, ipv4, { over: "icmp" });
  await delay(headStartMs);
  const startMs = Date.now();
  await api.createContainer({ ...idle(name, network), ipv4 });
  await api.startContainer(name);
  const returnedMs = Date.now();
  await probe.hasAnswered(1);
  const { firstAnswerMs = Number.NaN } = await probe.stop();
  await api.removeContainer(name);
  api.close();
  return { reply: firstAnswerMs - startMs, ahead: firstAnswerMs - returnedMs };
}
