/** What the link tests share: the adapter on its two workers, and the world as ip(8) sees it. */
import { execFileSync } from "node:child_process";
import { RtnetlinkLinks } from "../../../../src/kernel/link/rtnetlink-links.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import type { BridgeSpec, VethSpec } from "../../../../src/kernel/ports.ts";
import { ProcSysctl } from "../../../../src/kernel/sysctl/proc-sysctl.ts";
import { type IfName, isIfName, parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";
import {
  aliasPrefix,
  flatLinkGroup,
  isolatedLinkGroup,
  linkGroup,
  reapGroup,
  shareLinkGroup,
} from "../../../../src/plan/names.ts";

/** The fields of `ip -json -details link` that the tests look at. */
export interface SeenLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly group: string;
  readonly address: string;
  readonly ifalias?: string;
  readonly inet6_addr_gen_mode: string;
  readonly linkinfo?: {
    readonly info_kind: string;
    readonly info_data?: Readonly<Record<string, unknown>>;
    readonly info_slave_data?: Readonly<Record<string, unknown>>;
  };
}

export const sysctls = new ProcSysctl();
export const reaperErrors: unknown[] = [];
export const transport = new WorkerTransport();
export const reaperTransport = new WorkerTransport();
export const links = new RtnetlinkLinks(transport, reaperTransport, {
  sysctls,
  linkGroup,
  groups: [linkGroup, isolatedLinkGroup, shareLinkGroup, flatLinkGroup],
  reapGroup,
  aliasPrefix,
  onError: (error) => reaperErrors.push(error),
});

/** @throws with what ip(8) wrote to standard error. */
export function ip(command: string, input = ""): string {
  const maxBuffer = 16 * 1024 * 1024;
  return execFileSync("ip", command.split(" "), { encoding: "utf8", stdio: "pipe", input, maxBuffer });
}

/** Many commands at the price of one. */
export function ipBatch(commands: readonly string[]): void {
  ip("-batch -", `${commands.join("\n")}\n`);
}

export function seeLinks(): readonly SeenLink[] {
  // iproute2 prints an empty object for each link that a filter leaves out.
  return (JSON.parse(ip("-json -details link show")) as SeenLink[]).filter(({ ifname }) => ifname !== undefined);
}

export function seeLink(name: string): SeenLink | undefined {
  return seeLinks().find(({ ifname }) => ifname === name);
}

/** "10.9.0.1/24" and so on, without the kernel's own link-local ones. */
export function seeAddresses(name: string): readonly string[] {
  const [link] = JSON.parse(ip(`-json address show dev ${name}`)) as [
    { addr_info: { local: string; prefixlen: number; scope: string }[] },
  ];
  return link.addr_info
    .filter(({ scope }) => scope !== "link")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    .sort();
}

export function ifName(text: string): IfName {
  if (!isIfName(text)) {
    throw new Error(`${text} is no interface name`);
  }
  return text;
}

export function bridgeSpec(name: string, changes: Partial<BridgeSpec> = {}): BridgeSpec {
  return {
    name: ifName(name),
    mac: parseMac("02:11:22:33:44:55"),
    mtu: 1400,
    alias: `${aliasPrefix}network:${name}`,
    addresses: [parseInterfaceAddress("10.9.0.1/24"), parseInterfaceAddress("fd00:9::1/64")],
    ipv6: true,
    ...changes,
  };
}

/** Names of the pair: fwv<number> on the host, fwc<number> for the sandbox. */
export function vethSpec(number: number, bridge: string, changes: Partial<VethSpec> = {}): VethSpec {
  return {
    host: ifName(`fwv${number}`),
    sandbox: ifName(`fwc${number}`),
    bridge: ifName(bridge),
    sandboxMac: parseMac(`02:00:00:00:${hexByte(number >> 8)}:${hexByte(number & 0xff)}`),
    mtu: 1400,
    alias: `${aliasPrefix}endpoint:${number}`,
    group: linkGroup,
    isolated: false,
    ...changes,
  };
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
