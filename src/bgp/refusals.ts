import { FairwayError } from "../errors.ts";

const shownCharacters = 300;

export function unreachable(what: string, socketPath: string, cause: unknown): FairwayError {
  const errno = (cause as NodeJS.ErrnoException).code;
  const reason = errno ?? (cause instanceof Error ? cause.message : String(cause));
  return new FairwayError({
    code: "FW4101",
    what: `no ${what} answers at ${socketPath}`,
    why: `the socket could not be used (${reason})`,
    fix: "start the routing daemon, or set bgp.controlSocket to where its socket is",
    cause,
  });
}

/** @param said the daemon's own words */
export function daemonRefused(what: string, said: string): FairwayError {
  return new FairwayError({
    code: "FW4102",
    what: `${what}: ${oneLine(said)}`,
    why: "the routing daemon goes on with what it had",
    fix: "correct what it complains about and try again",
  });
}

/** @param who the daemon, and the command where there was one */
export function notUnderstood(who: string, said: string): FairwayError {
  return new FairwayError({
    code: "FW4103",
    what: `answer of ${who} is not understood: ${oneLine(said)}`,
    fix: "fairway speaks with BIRD 2 and FRR 8; look whether bgp.daemon and bgp.controlSocket name the right one",
  });
}

export function unknownSession(session: string, known: readonly string[]): FairwayError {
  return new FairwayError({
    code: "FW4104",
    what: `session ${JSON.stringify(session.slice(0, 60))} is not known to the routing daemon`,
    fix: known.length === 0 ? "the routing daemon has no session" : `the sessions are: ${known.join(", ")}`,
  });
}

function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, "; ")
    .slice(0, shownCharacters);
}
