/** How fast routes spread. They are plain kernel routes as fairway makes them, the contract with routing daemons. */

import { type RouteWatch, routeDelay, watchRoutes } from "../../lab/route-watch.ts";
import { fairwayArguments } from "../../lab/routed-fabric.ts";
import type { Place } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Figure } from "../figure.ts";
import { interleave } from "../rounds.ts";
import { fewer, type StageOptions } from "../stage.ts";
import { targets } from "../targets.ts";
import { byKind, type Kind, type Quarter, turnsOf } from "./quarters.ts";

const burstSize = 1000;
const spreadDeadlineMs = 60_000;
/** fairway takes away routes that nothing of its own asks for. */
const manner = "plain kernel routes with protocol 143 and metric 9900, added by ip(8) while fairway is stopped";

export async function singleRoutes(options: StageOptions, quarters: readonly Quarter[]): Promise<Figure[]> {
  return await withoutFairway(quarters, async () => {
    const results = await interleave(options.rounds, turnsOf(quarters, singleRoute));
    return byKind(results).flatMap(([kind, { tor, host, host6, gone }]) => {
      const common = { bench: "announce", unit: "ms", target: goalOf(kind) } as const;
      return [
        { ...common, what: `${kind}: one address, kernel of A to kernel of the ToR`, fairway: tor, note: manner },
        { ...common, what: `${kind}: one address, kernel of A to kernel of B`, fairway: host },
        { ...common, what: `${kind}: the same, IPv6`, fairway: host6 },
        { ...common, what: `${kind}: withdrawn, A to B`, fairway: gone },
      ];
    });
  });
}

async function singleRoute({ fabric, here, there }: Quarter, round: number) {
  await using a = await watchRoutes(here.space);
  await using b = await watchRoutes(there.space);
  await using tor = await watchRoutes(fabric.tor.space);
  const [ipv4, ipv6] = [`10.60.200.${round + 1}`, `2001:db8:60:200::${round + 1}`];
  await change(here, "add", [ipv4]);
  const times = { tor: await routeDelay(a, tor, ipv4, "added"), host: await routeDelay(a, b, ipv4, "added") };
  await change(here, "add", [ipv6]);
  const host6 = await routeDelay(a, b, ipv6, "added");
  await change(here, "del", [ipv4, ipv6]);
  await b.see(ipv6, "deleted");
  return { ...times, host6, gone: await routeDelay(a, b, ipv4, "deleted") };
}

export async function bursts(options: StageOptions, quarters: readonly Quarter[]): Promise<Figure[]> {
  return await withoutFairway(quarters, async () => {
    const results = await interleave(fewer(options, 4), turnsOf(quarters, burst));
    return byKind(results).flatMap(([kind, { addresses, adding, block }]) => {
      const common = { bench: "announce", unit: "ms" } as const;
      return [
        {
          ...common,
          what: `${kind}: ${burstSize} addresses, first at A to last at B`,
          fairway: addresses,
          target: targets.announceBurst,
          note: `${manner}; none was lost`,
        },
        { ...common, what: `${kind}: of this, until the last is at A`, fairway: adding },
        { ...common, what: `${kind}: the same addresses as one block, A to B`, fairway: block, target: goalOf(kind) },
      ];
    });
  });
}

/** @throws when one of them is lost. */
async function burst({ here, there }: Quarter) {
  const addresses = Array.from({ length: burstSize }, (_, index) => `10.60.${204 + (index >> 8)}.${index & 255}`);
  const block = "10.60.208.0/22";
  await using a = await watchRoutes(here.space);
  await using b = await watchRoutes(there.space);
  await change(here, "add", addresses);
  const [left, arrived] = [await seen(a, addresses), await seen(b, addresses)];
  await change(here, "add", [block]);
  const blockMs = await routeDelay(a, b, block, "added");
  await change(here, "del", [...addresses, block]);
  await b.see(block, "deleted");
  await waitFor(async () => !(await there.exec(["ip", "route"])).includes("10.60.20"), spreadDeadlineMs, "an end");
  return {
    addresses: Math.max(...arrived) - Math.min(...left),
    adding: Math.max(...left) - Math.min(...left),
    block: blockMs,
  };
}

/** When each of them was added. */
function seen(watch: RouteWatch, destinations: readonly string[]): Promise<number[]> {
  const wanted = new Set(destinations);
  return waitFor(
    () => {
      const events = watch.events().filter(({ action, destination }) => action === "added" && wanted.has(destination));
      const times = new Map(events.toReversed().map(({ destination, atMs }) => [destination, atMs]));
      return times.size === wanted.size ? [...times.values()] : undefined;
    },
    spreadDeadlineMs,
    `${destinations.length} routes`,
  );
}

async function change(place: Place, verb: "add" | "del", destinations: readonly string[]): Promise<void> {
  const lines = destinations.map((destination) => `route ${verb} unreachable ${destination} proto 143 metric 9900`);
  await place.exec(["ip", "-batch", "-"], { stdin: lines.join("\n") });
}

async function withoutFairway<Result>(quarters: readonly Quarter[], use: () => Promise<Result>): Promise<Result> {
  await Promise.all(quarters.map(({ here }) => here.lab.killDriver()));
  const result = await use();
  await Promise.all(quarters.map(({ here }) => here.lab.startDriver({ args: fairwayArguments })));
  return result;
}

function goalOf(kind: Kind) {
  return kind === "FRR" ? targets.announceFrr : targets.announceBird;
}
