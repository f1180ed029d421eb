/** Reads "show protocols all" of BIRD 2. */
import type { BgpSession, SessionState } from "./port.ts";

/** Sessions without `ours`, which takes another question. */
export type CountlessSession = Omit<BgpSession, "ours">;

const head = /^(\S+) +(\S+) +(\S+) +(\S+) +(\d[\d.:-]*(?: \d[\d.:]*)?) *(.*)$/;

/** @param nowMs to turn "since" into seconds */
export function parseBirdSessions(lines: readonly string[], nowMs: number): readonly CountlessSession[] {
  return blocksOf(lines)
    .map((block) => sessionOf(block, nowMs))
    .filter((session) => session !== undefined);
}

function blocksOf(lines: readonly string[]): string[][] {
  const blocks: string[][] = [];
  for (const line of lines) {
    if (head.test(line)) {
      blocks.push([line]);
    } else {
      blocks.at(-1)?.push(line);
    }
  }
  return blocks;
}

function sessionOf(block: readonly string[], nowMs: number): CountlessSession | undefined {
  const [, name = "", kind, , protocolState, since = "", info = ""] = head.exec(block[0] ?? "") ?? [];
  if (kind !== "BGP") {
    return undefined;
  }
  const field = (label: string): string | undefined =>
    block
      .map((line) => line.trim())
      .find((line) => line.startsWith(`${label}:`))
      ?.slice(label.length + 1)
      .trim();
  const state = stateOf(protocolState, field("BGP state"));
  const upSeconds = state === "established" ? secondsSince(since, nowMs) : undefined;
  const counts = block.map((line) => /^\s*Routes: +(\d+) imported,.*?(\d+) exported/.exec(line)).filter(isFound);
  return {
    name,
    neighbor: field("Neighbor address") ?? "",
    remoteAs: Number(field("Neighbor AS") ?? 0),
    state,
    detail: state === "established" ? "" : (field("Message") ?? info).trim(),
    ...(upSeconds === undefined ? {} : { upSeconds }),
    announced: sum(counts.map((count) => Number(count[2]))),
    received: sum(counts.map((count) => Number(count[1]))),
  };
}

/** A protocol that is down stays so until somebody enables it; one that only lost its neighbor is in "start". */
function stateOf(protocolState: string | undefined, bgpState: string | undefined): SessionState {
  if (protocolState === "down") {
    return "drained";
  }
  return bgpState === "Established" ? "established" : "connecting";
}

/** "07:13:59.759" within a day, "2026-11-20" later; other formats are the operator's and tell us nothing. */
function secondsSince(since: string, nowMs: number): number | undefined {
  const time = /^(\d{2}):(\d{2}):(\d{2})/.exec(since);
  const then = new Date(nowMs);
  if (time !== null) {
    then.setHours(Number(time[1]), Number(time[2]), Number(time[3]), 0);
    if (then.getTime() > nowMs) {
      then.setDate(then.getDate() - 1);
    }
  } else if (/^\d{4}-\d{2}-\d{2}/.test(since)) {
    then.setTime(Date.parse(since.replace(" ", "T")));
  } else {
    return undefined;
  }
  const seconds = Math.floor((nowMs - then.getTime()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function isFound(match: RegExpExecArray | null): match is RegExpExecArray {
  return match !== null;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
