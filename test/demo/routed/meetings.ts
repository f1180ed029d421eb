/** Who is to reach whom and who is not, and what came of it. */
import { type Over, type Path, pathsBetween, type Resident, type Sight, tryPaths } from "../../lab/matrix.ts";
import { renderTable } from "../../lab/table.ts";
import type { Progress } from "../progress.ts";
import { UNPUBLISHED_PORT } from "./plan.ts";
import type { Scene } from "./scene.ts";

const EVERY_WAY: readonly Over[] = ["tcp", "udp", "icmp"];
const PUBLISHED_PORT = 80;
const COLUMNS = [
  ...["from", "to", "IPv4", "callee saw", "IPv6", "callee saw"].map((title) => ({ title, rigid: true })),
  { title: "as expected" },
];
const UNEXPECTED = "NO";

export interface Meeting {
  readonly from: Resident;
  readonly to: Resident;
  readonly port: number;
  /** Why there must be no answer. */
  readonly closed?: "unpublished" | "isolated";
}

export interface Outcome {
  readonly meeting: Meeting;
  readonly ok: boolean;
  readonly sights: readonly Sight[];
}

export async function tryMeetings(scene: Scene): Promise<Outcome[]> {
  const planned = meetingsOf(scene).map((meeting) => ({ meeting, paths: pathsOf(meeting) }));
  const sights = (await tryPaths(planned.flatMap(({ paths }) => paths))).values();
  return planned.map(({ meeting, paths }) => {
    const own = sights.take(paths.length).toArray();
    return { meeting, ok: own.length > 0 && own.every((sight) => isAsExpected(meeting, sight)), sights: own };
  });
}

/** Every refusal stands beside somebody who is let in at the same port. */
function meetingsOf({ people }: Scene): Meeting[] {
  const { web, shop, solo, safe, teller, metal, vm, h1 } = people;
  const equals = [web, solo, shop, metal, vm];
  return [
    ...equals.flatMap((from) =>
      equals.filter((to) => to !== from).map((to): Meeting => ({ from, to, port: PUBLISHED_PORT })),
    ),
    { from: h1, to: web, port: UNPUBLISHED_PORT },
    ...[solo, metal].map((from): Meeting => ({ from, to: web, port: UNPUBLISHED_PORT, closed: "unpublished" })),
    { from: teller, to: safe, port: PUBLISHED_PORT },
    ...[shop, web, metal].map((from): Meeting => ({ from, to: safe, port: PUBLISHED_PORT, closed: "isolated" })),
    ...[shop, metal].map((to): Meeting => ({ from: safe, to, port: PUBLISHED_PORT, closed: "isolated" })),
  ];
}

/** An echo request has no port: it is let in where anything is. */
function pathsOf({ from, to, port, closed }: Meeting): Path[] {
  const over = closed === "unpublished" ? EVERY_WAY.filter((way) => way !== "icmp") : EVERY_WAY;
  return pathsBetween(from, to, over).map((path) => ({ ...path, port, hopeless: closed !== undefined }));
}

function isAsExpected({ from, closed }: Meeting, { reached, source, over }: Sight): boolean {
  if (closed !== undefined || !reached) {
    return reached === (closed === undefined);
  }
  return over === "icmp" || (source !== undefined && from.addresses.includes(source));
}

export function meetingTable(outcomes: readonly Outcome[], progress: Progress): string {
  return renderTable(COLUMNS, outcomes.map(rowOf), {
    width: progress.screen.width,
    rules: "few",
    paint: (line, row) => (row.at(-1)?.startsWith(UNEXPECTED) ? progress.bad(line) : line),
  });
}

function rowOf({ meeting, ok, sights }: Outcome): string[] {
  const { from, to, port, closed } = meeting;
  const families = [false, true].map((isIpv6) => sights.filter(({ address }) => address.includes(":") === isIpv6));
  const verdict = closed === undefined ? "yes" : `yes: ${closed}`;
  return [
    from.name,
    `${to.name}:${port}`,
    ...families.flatMap((family) => [
      waysOf(family, closed === undefined ? "no answer" : "refused"),
      sourcesOf(family),
    ]),
    ok ? verdict : UNEXPECTED,
  ];
}

function waysOf(sights: readonly Sight[], none: string): string {
  const ways = sights.filter(({ reached }) => reached).map(({ over }) => over);
  return ways.length === 0 ? none : ways.join(" ");
}

function sourcesOf(sights: readonly Sight[]): string {
  return [...new Set(sights.flatMap(({ source }) => source ?? []))].join(" ");
}
