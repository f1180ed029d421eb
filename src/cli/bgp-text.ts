import type { BgpSession, RoutingDaemonPort } from "../bgp/port.ts";
import { type BgpSettings, type DaemonKind, defaultControlSockets } from "../bgp/settings.ts";
import { printable } from "../errors.ts";
import { duration } from "./status-text.ts";
import { alignColumns } from "./table.ts";

export interface BgpStatus {
  readonly apiVersion: "v1";
  readonly daemon: DaemonKind;
  readonly controlSocket: string;
  /** Routes of fairway that the daemon has learnt from the kernel. */
  readonly learnt: number;
  readonly sessions: readonly BgpSession[];
}

export async function bgpStatus(settings: BgpSettings, port: RoutingDaemonPort): Promise<BgpStatus> {
  const learnt = await port.announced();
  return {
    apiVersion: "v1",
    daemon: settings.daemon,
    controlSocket: settings.controlSocket ?? defaultControlSockets[settings.daemon],
    learnt: learnt.length,
    sessions: await port.sessions(),
  };
}

export function bgpStatusText({ daemon, controlSocket, learnt, sessions }: BgpStatus): string {
  const head = `${daemon} at ${controlSocket}   routes of fairway learnt: ${learnt}`;
  if (sessions.length === 0) {
    return `${head}\n\nno BGP session`;
  }
  const titles = ["SESSION", "NEIGHBOR", "AS", "STATE", "UP", "OURS", "SENT", "RECEIVED"];
  const lines = alignColumns([titles, ...sessions.map(cells)]);
  return [head, "", ...lines].join("\n");
}

function cells(session: BgpSession): string[] {
  const { name, neighbor, remoteAs, state, detail, upSeconds, ours, announced, received } = session;
  return [
    name,
    neighbor,
    String(remoteAs),
    detail === "" ? state : `${state} (${detail})`,
    upSeconds === undefined ? "" : duration(upSeconds),
    String(ours),
    String(announced),
    String(received),
  ].map(printable);
}
