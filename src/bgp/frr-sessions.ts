/** Reads FRR's JSON. Of each family there is one summary; a session that carries two is in both. */
import { type Prefix, parsePrefix } from "../model/ip.ts";
import { routeMetrics } from "../plan/names.ts";
import { asObject } from "./frr-vty.ts";
import type { BgpSession, SessionState } from "./port.ts";

export const frrFamilies = { ipv4Unicast: "ipv4", ipv6Unicast: "ipv6" } as const;
export type FrrFamily = keyof typeof frrFamilies;

export interface FrrSession extends Omit<BgpSession, "ours"> {
  readonly families: readonly FrrFamily[];
  readonly localAs: number;
}

type Json = Readonly<Record<string, unknown>>;

/** @param summary of "show bgp summary json" @throws TypeError when it is something else */
export function parseFrrSessions(summary: Json): readonly FrrSession[] {
  const sessions = new Map<string, FrrSession>();
  for (const family of Object.keys(frrFamilies) as FrrFamily[]) {
    const part = asObject(summary[family] ?? {});
    for (const [address, peer] of Object.entries(asObject(part["peers"] ?? {}))) {
      const session = sessionOf(address, asObject(peer), { family, localAs: numberOf(part["as"]) });
      const other = sessions.get(address);
      sessions.set(address, other === undefined ? session : merged(other, session));
    }
  }
  return [...sessions.values()];
}

function sessionOf(
  address: string,
  peer: Json,
  { family, localAs }: { family: FrrFamily; localAs: number },
): FrrSession {
  const state = stateOf(peer);
  const description = peer["desc"];
  return {
    name: typeof description === "string" && description !== "" ? description : address,
    neighbor: address,
    remoteAs: numberOf(peer["remoteAs"]),
    state,
    detail: state === "established" ? "" : String(peer["state"] ?? ""),
    ...(state === "established" ? { upSeconds: Math.floor(numberOf(peer["peerUptimeMsec"]) / 1000) } : {}),
    announced: numberOf(peer["pfxSnt"]),
    received: numberOf(peer["pfxRcd"]),
    families: [family],
    localAs,
  };
}

/** FRR writes "Idle (Admin)" for a neighbor that was shut down. */
function stateOf(peer: Json): SessionState {
  if (peer["peerState"] === "Admin" || peer["state"] === "Idle (Admin)") {
    return "drained";
  }
  return peer["state"] === "Established" ? "established" : "connecting";
}

function merged(a: FrrSession, b: FrrSession): FrrSession {
  return {
    ...a,
    announced: a.announced + b.announced,
    received: a.received + b.received,
    families: [...a.families, ...b.families],
  };
}

/** @param routes of "show ip route kernel json": a list of routes by prefix */
export function markedPrefixes(routes: Json): readonly Prefix[] {
  return Object.entries(routes)
    .filter(([, entries]) => Array.isArray(entries) && entries.some(isMarked))
    .map(([prefix]) => parsePrefix(prefix));
}

function isMarked(entry: unknown): boolean {
  return asObject(entry)["metric"] === routeMetrics.announced;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
