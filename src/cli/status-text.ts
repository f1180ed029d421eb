/** `fairway status` for a terminal. Pure. */
import type { DaemonStatus, EndpointStatus, NetworkStatus, SettingStatus } from "../api/status.ts";
import { printable } from "../errors.ts";
import type { Publication } from "../model/endpoint.ts";
import { bracketed } from "../model/ip.ts";
import { alignColumns } from "./table.ts";

export function statusText(status: DaemonStatus): string {
  const endpoints = status.networks.flatMap((network) => network.endpoints);
  const head = [
    `fairway ${status.version}  ${status.ready ? "running" : "starting"} ${duration(status.uptimeSeconds)}   pid ${status.pid}   socket ${status.pluginSocket}`,
    `networks ${status.networks.length}   endpoints ${endpoints.length}   state ${status.stateDir}`,
  ];
  const body = [...settingLines(status.settings), ...status.networks.flatMap(networkLines), "", nextStep(status)];
  return printableLines([...head, ...body]).join("\n");
}

function settingLines(settings: readonly SettingStatus[]): string[] {
  const changes = settings.map(({ name, was, now }) => `${name} ${was} -> ${now}`);
  return changes.length === 0 ? [] : [`changed on this host: ${changes.join(", ")}`];
}

function networkLines(network: NetworkStatus): string[] {
  const name = network.name ?? network.id.slice(0, 12);
  const place = network.mode === "host" ? network.shared : network.subnets;
  const device = network.mode === "bridge" ? network.bridge : network.parent;
  const words = [name, network.mode, place?.join(", "), device, `mtu ${network.mtuBytes}`, ...flagsOf(network)];
  return [
    "",
    words.filter((word) => word !== undefined).join("   "),
    ...alignColumns(network.endpoints.map(endpointRow)).map((line) => `  ${line}`),
  ];
}

function flagsOf(network: NetworkStatus): string[] {
  const flags = [
    network.internal ? "internal" : undefined,
    network.icc === false ? "icc off" : undefined,
    network.masquerade === false && !network.internal ? "no masquerade" : undefined,
    network.reachable === "all" ? "all ports reachable" : undefined,
    network.announce === undefined ? undefined : `announces ${announcedThings[network.announce]}`,
    network.egressNat === true ? "egress NAT" : undefined,
    network.claim === undefined ? undefined : `claims ${network.claim} ports`,
  ];
  return flags.filter((flag) => flag !== undefined);
}

const announcedThings = {
  block: "blocks",
  address: "addresses",
  healthy: "healthy addresses",
  none: "nothing",
} as const;

function endpointRow(endpoint: EndpointStatus): string[] {
  return [
    endpoint.container ?? endpoint.id.slice(0, 12),
    [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== undefined).join(" "),
    endpoint.hostInterface,
    endpoint.state === "joined" ? portsText(endpoint.ports) : "(not attached)",
  ];
}

const shownPorts = 8;

function portsText(ports: readonly Publication[]): string {
  const shown = ports.slice(0, shownPorts).map(portText);
  const more = ports.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more (--json)`] : [])].join(", ");
}

export function portText(port: Publication): string {
  const host = bracketed(port.hostAddress);
  const count = port.hostPortLast - port.hostPortFirst;
  const target = count === 0 ? `${port.containerPort}` : `${port.containerPort}-${port.containerPort + count}`;
  const source = count === 0 ? `${port.hostPortFirst}` : `${port.hostPortFirst}-${port.hostPortLast}`;
  return `${host}:${source}->${target}/${port.protocol}`;
}

function nextStep(status: DaemonStatus): string {
  return status.networks.length === 0
    ? "next: docker network create -d fairway mynet"
    : "details: fairway status --json";
}

export function duration(seconds: number): string {
  const units: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const at = units.findIndex(([size]) => seconds >= size);
  const [size, name] = units[at === -1 ? units.length - 1 : at] ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${name}`;
}

/** Names come from users; a terminal must not act on them. */
function printableLines(lines: readonly string[]): string[] {
  return lines.map(printable);
}
