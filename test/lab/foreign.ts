import type { LabHost } from "./host.ts";
import { isOurs } from "./ours.ts";

/** Sections of sorted lines, for comparison. Everything in the host's network that is none of ours. */
export type ForeignSnapshot = Readonly<Record<string, readonly string[]>>;

const SAVE_PROGRAMS = ["iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"];

const SYSCTLS = [
  "net/ipv4/ip_forward",
  "net/ipv4/ip_local_reserved_ports",
  "net/ipv4/ip_local_port_range",
  "net/ipv4/ip_unprivileged_port_start",
  "net/ipv6/bindv6only",
  "net/bridge/bridge-nf-call-iptables",
  "net/bridge/bridge-nf-call-ip6tables",
  "net/netfilter/nf_conntrack_max",
  "net/netfilter/nf_conntrack_acct",
];
const IPV4_CONF = [
  "forwarding",
  "rp_filter",
  "route_localnet",
  "proxy_arp",
  "arp_ignore",
  "arp_announce",
  "accept_local",
];
const IPV6_CONF = ["forwarding", "disable_ipv6", "accept_ra", "proxy_ndp", "autoconf"];

/**
 * The rules, links, addresses, routes and settings of everybody but the driver. Values that change by themselves
 * (counters, timers, indices, carrier states) are left out, so two snapshots of an idle host are equal.
 */
export async function snapshotForeign(host: LabHost): Promise<ForeignSnapshot> {
  const links = JSON.parse(await host.exec(["ip", "-j", "-d", "link"])) as LinkJson[];
  const ours = new Set(links.filter(isOurs).map((link) => link.ifname));
  const foreign = links.filter((link) => !ours.has(link.ifname));
  const sections: Record<string, readonly string[]> = {};
  for (const program of SAVE_PROGRAMS) {
    sections[program] = withoutNoise(await host.execInRoot([program]));
  }
  sections["nft"] = await foreignTables(host);
  sections["links"] = foreign.map(describeLink).sort();
  sections["addresses"] = await foreignAddresses(host, ours);
  sections["routes"] = await foreignRoutes(host, ours);
  sections["rules"] = [
    ...(await lines(host, ["ip", "-4", "rule"])).map((line) => `ipv4 ${line}`),
    ...(await lines(host, ["ip", "-6", "rule"])).map((line) => `ipv6 ${line}`),
  ];
  sections["sysctls"] = await sysctls(
    host,
    foreign.map((link) => link.ifname),
  );
  return sections;
}

/** Lines that came ("+") or went ("-"), by section. Empty when both are equal. */
export function compareForeign(before: ForeignSnapshot, after: ForeignSnapshot): string[] {
  const sections = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return sections.flatMap((section) => {
    const [old, current] = [before[section] ?? [], after[section] ?? []];
    return [
      ...subtract(old, current).map((line) => `${section}: - ${line}`),
      ...subtract(current, old).map((line) => `${section}: + ${line}`),
    ];
  });
}

/** For changes that somebody else may make, as an engine does to its own chains when it starts again. */
export function withoutLines(snapshot: ForeignSnapshot, pattern: RegExp): ForeignSnapshot {
  const entries = Object.entries(snapshot);
  return Object.fromEntries(entries.map(([section, all]) => [section, all.filter((line) => !pattern.test(line))]));
}

interface LinkJson {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly mtu?: number;
  readonly address?: string;
  readonly master?: string;
  readonly flags?: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
}

function describeLink(link: LinkJson): string {
  const { ifname, mtu, address, master = "-", linkinfo } = link;
  const state = (link.flags ?? []).includes("UP") ? "up" : "down";
  return `${ifname} ${linkinfo?.info_kind ?? "-"} mtu ${mtu} address ${address} master ${master} ${state}`;
}

async function foreignTables(host: LabHost): Promise<string[]> {
  const tables = await lines(host, ["nft", "list", "tables"], "engine");
  const found: string[] = [];
  for (const table of tables) {
    const [, family = "", name = ""] = table.split(" ");
    if (name !== "fairway") {
      const listing = await lines(host, ["nft", "-s", "list", "table", family, name], "engine");
      // Its place in the listing is part of a rule's meaning.
      found.push(...listing.map((line, index) => `${family} ${name} ${String(index).padStart(4, "0")} ${line}`));
    }
  }
  return found;
}

/** iptables-save prints the time and, with chains, counters; the order of rules is kept by a number in their chain. */
function withoutNoise(text: string): string[] {
  const counts = new Map<string, number>();
  let table = "";
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && line !== "COMMIT")
    .map((line) => {
      table = line.startsWith("*") ? line : table;
      const chain = /^-A (\S+)/.exec(line)?.[1];
      const place = chain === undefined ? "" : ` ${nextCount(counts, `${table} ${chain}`)}`;
      return `${table}${place} ${line.replace(/ \[\d+:\d+\]$/, "")}`;
    });
}

function nextCount(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

async function foreignAddresses(host: LabHost, ours: ReadonlySet<string>): Promise<string[]> {
  interface AddressJson {
    readonly ifname: string;
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[];
  }
  const links = JSON.parse(await host.exec(["ip", "-j", "addr"])) as AddressJson[];
  return links
    .filter((link) => !ours.has(link.ifname))
    .flatMap((link) =>
      link.addr_info.map(({ local, prefixlen, scope }) => `${link.ifname} ${local}/${prefixlen} scope ${scope}`),
    )
    .sort();
}

async function foreignRoutes(host: LabHost, ours: ReadonlySet<string>): Promise<string[]> {
  const found = await Promise.all(
    ["-4", "-6"].map(async (family) =>
      (await lines(host, ["ip", family, "route", "show", "table", "all"]))
        .filter((line) => !ours.has(/ dev (\S+)/.exec(line)?.[1] ?? ""))
        .map((line) => `${family} ${line.replace(/ (linkdown|dead|expires \d+sec)/g, "").trim()}`),
    ),
  );
  return found.flat().sort();
}

async function sysctls(host: LabHost, links: readonly string[]): Promise<string[]> {
  const conf = ["all", "default", ...links].flatMap((link) => [
    ...IPV4_CONF.map((name) => `net/ipv4/conf/${link}/${name}`),
    ...IPV6_CONF.map((name) => `net/ipv6/conf/${link}/${name}`),
  ]);
  const files = [...SYSCTLS, ...conf].map((name) => `/proc/sys/${name}`);
  // Exit code 2: some of them do not exist on this kernel.
  const { stdout } = await host.tryExec(["grep", "-s", "-H", "", ...files]);
  return stdout.trim().split("\n").sort();
}

async function lines(
  host: LabHost,
  argv: readonly string[],
  root: "machine" | "engine" = "machine",
): Promise<string[]> {
  const text = await (root === "engine" ? host.execInRoot(argv) : host.exec(argv));
  return text.split("\n").filter((line) => line !== "");
}

/** Difference of lists in which a line may appear several times. */
function subtract(from: readonly string[], what: readonly string[]): string[] {
  const left = [...what];
  return from.filter((line) => {
    const at = left.indexOf(line);
    if (at !== -1) {
      left.splice(at, 1);
    }
    return at === -1;
  });
}
