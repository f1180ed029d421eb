/** What is lost when something dies, and how long a dead host is believed to be alive. */
import { type Probe, startProbe } from "../../lab/prober.ts";
import { watchRoutes } from "../../lab/route-watch.ts";
import { fairwayArguments } from "../../lab/routed-fabric.ts";
import type { Figure } from "../figure.ts";
import { interleave } from "../rounds.ts";
import { fewer, type StageOptions } from "../stage.ts";
import { targets } from "../targets.ts";
import { byKind, type Quarter, steadySubnet, turnsOf } from "./quarters.ts";

/** At one each 10 to 20 ms. */
const answersAround = 50;
const note = "echo requests from bare metal, each 10 to 20 ms, IPv4";

export async function interruptions(options: StageOptions, quarters: readonly Quarter[]): Promise<Figure[]> {
  const results = await interleave(fewer(options, 6), turnsOf(quarters, interrupt));
  const packets = { bench: "announce", unit: "packets", target: targets.nothingLost } as const;
  return byKind(results).flatMap(([kind, { fairway, routing, gap, cut }]) => [
    {
      bench: "announce",
      unit: "ms",
      what: `${kind}: link of a host silently cut, until withdrawn at the ToR`,
      fairway: cut,
      target: targets.deadHost,
    },
    { ...packets, what: `${kind}: lost, fairway killed and restarted`, fairway, note },
    {
      ...packets,
      what: `${kind}: lost, the host's routing daemon killed and restarted`,
      fairway: routing,
    },
    { bench: "announce", unit: "ms", what: `${kind}: longest gap of that`, fairway: gap },
  ]);
}

async function interrupt(quarter: Quarter) {
  const { fabric, here } = quarter;
  const driver = await duringProbe(quarter, async (probe) => {
    await here.lab.killDriver("SIGKILL");
    await probe.hasAnswered(answersAround);
    await here.lab.startDriver({ args: fairwayArguments });
  });
  const daemon = await duringProbe(quarter, async () => {
    await here.routing.kill("SIGKILL");
    await here.routing.restart();
    await fabric.settled();
  });
  return { fairway: driver.lost, routing: daemon.lost, gap: daemon.longestGapMs, cut: await cutOff(quarter) };
}

async function duringProbe({ fabric, steady }: Quarter, action: (probe: Probe) => Promise<void>) {
  const probe = await startProbe(fabric.bareMetal.space, steady.ipv4, { over: "icmp" });
  await probe.hasAnswered(answersAround);
  await action(probe);
  await probe.hasAnswered(answersAround);
  return await probe.stop();
}

async function cutOff({ fabric, here }: Quarter): Promise<number> {
  await using watch = await watchRoutes(fabric.tor.space);
  const startMs = Date.now();
  await here.cable.cut();
  const { atMs } = await watch.see(steadySubnet, "deleted", startMs);
  const mendedMs = Date.now();
  await here.cable.mend();
  await watch.see(steadySubnet, "added", mendedMs);
  await fabric.settled();
  return atMs - startMs;
}
