/** Who reached whom, with which source address: everybody tries everybody, over TCP, UDP and ICMP, at every address. */
import { ping, type Who } from "./probe.ts";
import type { Place } from "./space.ts";
import { renderTable } from "./table.ts";
import { type Visit, visitAll } from "./visits.ts";

const ANYBODY = "";
const TABLE_WIDTH = 160;
const DEFAULT_PORT = 80;

/** Somebody who asks, and who answers at these addresses; without addresses it only asks. */
export interface Resident {
  readonly name: string;
  readonly place: Place;
  readonly addresses: readonly string[];
  /** Of its TCP and UDP servers. Default 80. */
  readonly port?: number;
}

export type Over = "tcp" | "udp" | "icmp";

/** Something to be tried. */
export interface Path {
  readonly from: Resident;
  readonly to: Resident;
  readonly address: string;
  readonly over: Over;
  /** Default: the resident's. */
  readonly port?: number;
  /** No answer is expected, so it is not waited for as long. */
  readonly hopeless?: boolean;
}

export interface Sight {
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly over: Over;
  readonly reached: boolean;
  /** Source address that the server saw; undefined with ICMP. */
  readonly source?: string;
  /** Host name of who answered; undefined with ICMP. */
  readonly host?: string;
  readonly failure?: string;
}

export function matrix(residents: readonly Resident[]): Promise<Sight[]> {
  const paths = residents.flatMap((from) =>
    residents.filter((to) => to !== from).flatMap((to) => pathsBetween(from, to, ["tcp", "udp", "icmp"])),
  );
  return tryPaths(paths);
}

/** One for each address of `to`. */
export function pathsBetween(from: Resident, to: Resident, over: readonly Over[]): Path[] {
  return to.addresses.flatMap((address) => over.map((one) => ({ from, to, address, over: one })));
}

/** All at once; what was seen, in the order of the paths. */
export async function tryPaths(paths: readonly Path[]): Promise<Sight[]> {
  const visits = paths.flatMap((path) => visitOf(path) ?? []);
  const [outcomes, echoes] = await Promise.all([
    visitAll(visits),
    Promise.all(paths.map(({ from, address, over }) => (over === "icmp" ? ping(from.place, address) : undefined))),
  ]);
  const answers = outcomes.values();
  return paths.map(({ from, to, address, over }, index): Sight => {
    const path = { from: from.name, to: to.name, address, over };
    if (over === "icmp") {
      return { ...path, reached: echoes[index] === true };
    }
    const outcome = answers.next().value ?? { failure: "not tried" };
    if ("failure" in outcome) {
      return { ...path, reached: false, failure: outcome.failure };
    }
    const { peer, host } = JSON.parse(outcome.answer) as Who;
    return { ...path, reached: true, source: peer, host };
  });
}

function visitOf({ from, to, address, over, port, hopeless = false }: Path): Visit | undefined {
  if (over === "icmp") {
    return undefined;
  }
  const visit = { from: from.place, to: address, over, port: port ?? to.port ?? DEFAULT_PORT };
  return hopeless ? visit : { ...visit, meets: ANYBODY };
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
