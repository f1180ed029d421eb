import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { fewer, type StageOptions } from "../stage.ts";
import { summarize } from "../stats.ts";
import { targets } from "../targets.ts";
import { driverMemory } from "../traffic/memory.ts";
import { type Hotel, type Hotels, openHotels } from "./hotel.ts";
import { calls } from "./plugin.ts";

export const what =
  "mode routed beside 1000 and 5000 endpoints, made by calls to the plugin socket, against the same beside 10";

const few = 10;
const crowds = [1000, 5000] as const;

/** Two hosts, so that the full one and the empty one meet the same load of the machine. */
export async function perform(options: StageOptions): Promise<Figure[]> {
  await using hotels = await openHotels(options);
  const { small, large } = hotels;
  await small.fill(few);
  const figures: Figure[] = [memoryOf(small, few)];
  for (const count of crowds) {
    const before = large.count;
    const fillMs = await timed(() => large.fill(count));
    const eachMs = (fillMs / (count - before)).toFixed(1);
    options.say(`${count} endpoints, the last ${count - before} at ${eachMs} ms each`);
    figures.push(...(await comparedCalls(options, hotels)));
    figures.push(memoryOf(large, count), await comparedStarts(options, hotels));
  }
  figures.push(...(await comparedTraffic(options, hotels)));
  await Promise.all([small.assertFull(), large.assertFull()]);
  return figures;
}

async function comparedCalls(options: StageOptions, { small, large }: Hotels): Promise<Figure[]> {
  const both = await interleave(options.rounds, { small: () => small.visit(), large: () => large.visit() });
  return ([...calls, "all four"] as const).map((call) => ({
    bench: "crowd",
    unit: "ms",
    what: `${call}, beside ${large.count}`,
    fairway: both.large[call],
    peer: both.small[call],
    peerIs: `fairway at ${few}`,
    ...(call === "all four" ? { target: targets.crowdCalls } : {}),
  }));
}

async function comparedStarts(options: StageOptions, { small, large }: Hotels): Promise<Figure> {
  const turn = (hotel: Hotel) => async () => ({ start: await hotel.restart() });
  const both = await interleave(fewer(options, 6), { small: turn(small), large: turn(large) });
  return {
    bench: "crowd",
    unit: "ms",
    what: `start of the daemon after kill -9, with ${large.count}`,
    fairway: both.large.start,
    peer: both.small.start,
    peerIs: `fairway at ${few}`,
    note: "from the start of the program to its answer to a first call about an endpoint",
  };
}

async function comparedTraffic(options: StageOptions, { small, large, client }: Hotels): Promise<Figure[]> {
  await Promise.all([small.openDesk(), large.openDesk()]);
  const turn = (hotel: Hotel) => () => hotel.talk(client);
  const both = await interleave(fewer(options, 2), { small: turn(small), large: turn(large) });
  const common = { bench: "crowd", peerIs: `fairway at ${few}` } as const;
  return [
    {
      ...common,
      what: `LAN: round trip of one byte, beside ${large.count}`,
      unit: "µs",
      fairway: both.large.echo,
      peer: both.small.echo,
      target: targets.crowdRoundTrip,
    },
    {
      ...common,
      what: `LAN: new connections, beside ${large.count}`,
      unit: "1/s",
      fairway: both.large.connect,
      peer: both.small.connect,
      target: targets.crowdConnections,
    },
  ];
}

function memoryOf({ host }: Hotel, count: number): Figure {
  const { rssMb } = driverMemory(host);
  return { bench: "crowd", unit: "MB", what: `memory with ${count} endpoints, RSS`, fairway: summarize([rssMb]) };
}
