import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { fewer, idle, networkOf, type Side, type Stage, scatteredPorts, withContainers } from "../stage.ts";
import { summarize } from "../stats.ts";
import { targets } from "../targets.ts";
import { serverPort, slice, startServer } from "./load.ts";
import { driverMemory, type Memory, proxyMemory } from "./memory.ts";

export const what = "1000 published ports: new connections to one more, memory";

const ownPorts = 1000;
const firstPort: Readonly<Record<Side, number>> = { fairway: 20_000, builtIn: 24_000 };
const serverAt: Readonly<Record<Side, number>> = { fairway: 30_000, builtIn: 30_001 };
/** Engine and driver go on working after their answers, which must not fall into a slice. */
const calmMs = 1500;

/** Leaves everything behind, since the machine is thrown away: the built-in driver takes minutes to remove this. */
export async function measure(stage: Stage): Promise<Figure[]> {
  const empty = driverMemory(stage.host);
  await stage.api.createNetwork(networkOf("fairway"));
  await stage.api.createNetwork(networkOf("builtIn"));
  await serve(stage, "fairway");
  const own = await ownSlope(stage);
  const fairwayStart = await startCrowd(stage, "fairway", ownPorts);
  const full = driverMemory(stage.host);
  stage.say(`the built-in driver publishes ${stage.peerPorts} ports`);
  const peerStart = await startCrowd(stage, "builtIn", stage.peerPorts);
  // Published last, so that a list of rules is searched to its end.
  await serve(stage, "builtIn");
  const proxies = proxyMemory(stage.host);
  return [
    own,
    starts(stage, fairwayStart, peerStart),
    await slopeOfBoth(stage),
    ...memory(stage, empty, full, proxies),
  ];
}

async function serve(stage: Stage, side: Side): Promise<void> {
  const name = `one-${side.toLowerCase()}`;
  const port = { hostPort: serverAt[side], containerPort: serverPort };
  await stage.api.createContainer(idle(name, networkOf(side).name, [port]));
  await stage.api.startContainer(name);
  await startServer(stage, name);
}

async function startCrowd(stage: Stage, side: Side, count: number): Promise<number> {
  const name = `crowd-${side.toLowerCase()}`;
  await stage.api.createContainer(idle(name, networkOf(side).name, scatteredPorts(count, firstPort[side])));
  return await timed(() => stage.api.startContainer(name));
}

/** fairway against itself; the 1000 ports come and go in each round. */
async function ownSlope(stage: Stage): Promise<Figure> {
  const crowd = idle("crowd", networkOf("fairway").name, scatteredPorts(ownPorts, firstPort.fairway));
  const rate = async () => ({ connect: await connectionRate(stage, "fairway") });
  const { alone, crowded } = await interleave(fewer(stage, 2), {
    alone: async () => {
      await delay(calmMs);
      return await rate();
    },
    crowded: () =>
      withContainers(stage, [crowd], async () => {
        await delay(calmMs);
        return await rate();
      }),
  });
  return {
    bench: "many",
    what: `new connections beside ${ownPorts} ports`,
    unit: "1/s",
    fairway: crowded.connect,
    peer: alone.connect,
    peerIs: "fairway at 1",
    target: targets.ownRules,
  };
}

async function slopeOfBoth(stage: Stage): Promise<Figure> {
  const turn = (side: Side) => async () => ({ connect: await connectionRate(stage, side) });
  const { fairway, builtIn } = await interleave(fewer(stage, 2), {
    fairway: turn("fairway"),
    builtIn: turn("builtIn"),
  });
  return {
    bench: "many",
    what: `new connections beside ${ownPorts} ports, LAN`,
    unit: "1/s",
    fairway: fairway.connect,
    peer: builtIn.connect,
    ...(stage.peerPorts === ownPorts ? {} : { peerIs: `built-in beside ${stage.peerPorts}` }),
    target: targets.manyRules,
  };
}

function connectionRate({ client, address }: Stage, side: Side): Promise<number> {
  return slice(client, "connect", address, serverAt[side]);
}

function starts({ peerPorts }: Stage, fairwayMs: number, peerMs: number): Figure {
  return {
    bench: "many",
    what: `start, ${ownPorts} scattered ports`,
    unit: "ms",
    fairway: summarize([fairwayMs]),
    peer: summarize([peerMs]),
    ...(peerPorts === ownPorts ? {} : { peerIs: `built-in, ${peerPorts}` }),
  };
}

function memory({ peerPorts }: Stage, empty: Memory, full: Memory, proxies: Memory): Figure[] {
  const scale = ownPorts / peerPorts;
  const note = `${proxies.processes} docker-proxy processes for ${peerPorts} ports${scale === 1 ? "" : ` and their memory times ${scale}`}`;
  const common = { bench: "memory", unit: "MB", peerIs: "docker-proxy, all" } as const;
  return [
    { bench: "memory", unit: "MB", what: "driver just started, RSS", fairway: summarize([empty.rssMb]) },
    {
      ...common,
      what: `${ownPorts} ports, RSS`,
      fairway: summarize([full.rssMb]),
      peer: summarize([proxies.rssMb * scale]),
      target: targets.memory,
      note,
    },
    {
      ...common,
      what: `${ownPorts} ports, PSS`,
      fairway: summarize([full.pssMb]),
      peer: summarize([proxies.pssMb * scale]),
      note: "shared pages count in parts (PSS), so that the text of one program in many processes counts once",
    },
  ];
}
