/** Who reached whom, with which source address: everybody tries everybody, over TCP, UDP and ICMP, at every address. */

import { renderTable } from "../../demo/table.ts";
import type { Who } from "../../lab/probe.ts";
import type { Place } from "../../lab/space.ts";
import { ping } from "../bridge/sights.ts";
import { type Visit, visitAll } from "../bridge/visits.ts";

const ANYBODY = "";
const TABLE_WIDTH = 160;

/** Somebody who asks, and who answers at these addresses; without addresses it only asks. */
export interface Resident {
  readonly name: string;
  readonly place: Place;
  readonly addresses: readonly string[];
  /** Of its TCP and UDP servers. Default 80. */
  readonly port?: number;
}

export interface Sight {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly over: "tcp" | "udp" | "icmp";
  readonly reached: boolean;
  /** Source address that the server saw; undefined with ICMP. */
  readonly source?: string;
  /** Host name of who answered; undefined with ICMP. */
  readonly host?: string;
  readonly failure?: string;
}

export async function matrix(residents: readonly Resident[]): Promise<Sight[]> {
  const paths = residents.flatMap((from) =>
    residents.filter((to) => to !== from).flatMap((to) => to.addresses.map((address) => ({ from, to, address }))),
  );
  const visits = paths.flatMap(({ from, to, address }) =>
    (["tcp", "udp"] as const).map((over) => ({ from, to, address, over })),
  );
  const [outcomes, echoes] = await Promise.all([
    visitAll(
      visits.map(({ from, to, address, over }): Visit => {
        return { from: from.place, to: address, over, port: to.port ?? 80, meets: ANYBODY };
      }),
    ),
    Promise.all(paths.map(({ from, address }) => ping(from.place, address))),
  ]);
  const asked = visits.map(({ from, to, address, over }, index): Sight => {
    const outcome = outcomes[index] ?? { failure: "not tried" };
    const path = { from: from.name, to: to.name, address, over };
    if ("failure" in outcome) {
      return { ...path, reached: false, failure: outcome.failure };
    }
    const { peer, host } = JSON.parse(outcome.answer) as Who;
    return { ...path, reached: true, source: peer, host };
  });
  const pinged = paths.map(({ from, to, address }, index): Sight => {
    return { from: from.name, to: to.name, address, over: "icmp", reached: echoes[index] === true };
  });
  return [...asked, ...pinged];
}

/** Those that did not reach whom they wanted, or came with an address that is not theirs; one line each. */
export function surprises(sights: readonly Sight[], residents: readonly Resident[]): string[] {
  return sights.flatMap((sight) => {
    const own = residents.find(({ name }) => name === sight.from)?.addresses ?? [];
    const label = `${sight.from} -> ${sight.to} ${sight.address}/${sight.over}`;
    if (!sight.reached) {
      return [`${label}: ${sight.failure ?? "no answer"}`];
    }
    return sight.source === undefined || own.includes(sight.source) ? [] : [`${label}: came from ${sight.source}`];
  });
}

export function renderMatrix(sights: readonly Sight[]): string {
  const columns = ["from", "to", "address", "over", "source"].map((title) => ({ title, rigid: true }));
  const rows = sights.map((sight) => [sight.from, sight.to, sight.address, sight.over, outcomeOf(sight)]);
  return renderTable(columns, rows, { width: TABLE_WIDTH });
}

function outcomeOf({ reached, source, failure }: Sight): string {
  return reached ? (source ?? "answered") : `- ${failure ?? "no answer"}`;
}
