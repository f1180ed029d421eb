/** Requests from places to addresses, all tried at once. */
import path from "node:path";
import type { Place } from "./space.ts";

const SCRIPT = path.join(import.meta.dirname, "image-files/visit.mjs");
/** Long enough for a lost SYN or neighbour solicitation to be repeated on a busy machine. */
const PATIENCE_MS = 6000;
/** Silence is the expected outcome; what has not answered by then is not going to. */
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

export type VisitOutcome = { readonly answer: string } | { readonly failure: string };

/** One program per place; outcomes in the order of the visits. */
export async function visitAll(visits: readonly Visit[]): Promise<VisitOutcome[]> {
  const outcomes: VisitOutcome[] = [];
  const places = [...new Set(visits.map(({ from }) => from))];
  await Promise.all(
    places.map(async (place) => {
      const own = visits.map((visit, index) => ({ visit, index })).filter(({ visit }) => visit.from === place);
      const stdin = JSON.stringify(own.map(({ visit }) => asked(visit)));
      const answers = JSON.parse(await place.exec([process.execPath, SCRIPT], { stdin })) as VisitOutcome[];
      for (const [position, { index }] of own.entries()) {
        outcomes[index] = answers[position] ?? { failure: "no outcome" };
      }
    }),
  );
  return outcomes;
}

function asked({ to, port = 80, over = "tcp", meets, sourceAddress, sourcePort }: Visit): object {
  return { to, port, over, sourceAddress, sourcePort, patienceMs: meets === undefined ? SILENCE_MS : PATIENCE_MS };
}
