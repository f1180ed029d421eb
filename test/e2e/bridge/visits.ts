/** Who reaches whom, as a table: all rows are tried at once, and every row that is not as written is reported. */
import assert from "node:assert/strict";
import { inUrl, type Who } from "../../lab/probe.ts";
import { type Visit, type VisitOutcome, visitAll } from "../../lab/visits.ts";

export type { Visit } from "../../lab/visits.ts";

export async function assertVisits(visits: readonly Visit[]): Promise<void> {
  const outcomes = await visitAll(visits);
  const wrong = visits.flatMap((visit, index) => complaint(visit, outcomes[index] ?? { failure: "not tried" }) ?? []);
  assert.deepEqual(wrong, []);
}

function complaint(visit: Visit, outcome: VisitOutcome): string | undefined {
  const label = `${visit.from.name} -> ${inUrl(visit.to)}:${visit.port ?? 80}/${visit.over ?? "tcp"}`;
  if ("failure" in outcome) {
    return visit.meets === undefined ? undefined : `${label}: ${outcome.failure}`;
  }
  const answer = JSON.parse(outcome.answer) as Who;
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
