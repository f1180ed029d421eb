/** Who reaches whom, as a table: all rows are tried at once, and every row that is not as written is reported. */
import assert from "node:assert/strict";
import { http, type Outcome, udp, type Who } from "../../lab/probe.ts";
import { WHO_PATH } from "../../lab/image.ts";
import { inUrl } from "../../lab/probe.ts";
import type { Place } from "../../lab/space.ts";

/** Long enough for a SYN or a neighbour discovery to be repeated once on a busy machine. */
const PATIENCE_MS = 5000;
const SILENCE_MS = 1500;

export interface Visit {
  readonly from: Place;
  readonly to: string;
  /** Default 80. */
  readonly port?: number;
  /** Default tcp. */
  readonly over?: "tcp" | "udp";
  /** Host name of who must answer. Absent: there must be no answer. */
  readonly meets?: string;
  /** Source address that the server must see. */
  readonly as?: string;
  readonly sourceAddress?: string;
  readonly sourcePort?: number;
}

export async function assertVisits(visits: readonly Visit[]): Promise<void> {
  const wrong = await Promise.all(visits.map(complaint));
  assert.deepEqual(
    wrong.filter((line) => line !== undefined),
    [],
  );
}

async function complaint(visit: Visit): Promise<string | undefined> {
  const outcome = await go(visit);
  const label = `${visit.from.name} -> ${inUrl(visit.to)}:${visit.port ?? 80}/${visit.over ?? "tcp"}`;
  if (!outcome.ok) {
    return visit.meets === undefined ? undefined : `${label}: ${outcome.failure} (${outcome.detail})`;
  }
  const answer = JSON.parse(outcome.body) as Who;
  if (visit.meets === undefined) {
    return `${label}: answered by ${answer.host}, which saw ${answer.peer}`;
  }
  if (answer.host !== visit.meets) {
    return `${label}: answered by ${answer.host} instead of ${visit.meets}`;
  }
  return visit.as === undefined || answer.peer === visit.as
    ? undefined
    : `${label}: came from ${answer.peer} instead of ${visit.as}`;
}

function go(visit: Visit): Promise<Outcome> {
  const { from, to, port = 80, over = "tcp", sourceAddress, sourcePort } = visit;
  const options = {
    timeoutMs: visit.meets === undefined ? SILENCE_MS : PATIENCE_MS,
    ...(sourceAddress === undefined ? {} : { sourceAddress }),
    ...(sourcePort === undefined ? {} : { sourcePort }),
  };
  return over === "udp" ? udp(from, to, port, "?", options) : http(from, `http://${inUrl(to)}:${port}${WHO_PATH}`, options);
}
