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

/** Our chain in the engine's packet filter, and the jumps to it. */
const OUR_RULES = /\bFAIRWAY-/;

/** The kernel adds these by itself: with the first carrier of an interface, and to routers. */
const AUTOMATIC = /\b(fe80:|ff00::\/8|anycast )/;

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
      found.push(...numberedByBlock(listing).map((line) => `${family} ${name} ${line}`));
    }
  }
  return found;
}

/** The order of rules is part of their meaning, but only within their chain. */
function numberedByBlock(listing: readonly string[]): string[] {
  const blocks = new Map<string, string[]>();
  let block: string[] = [];
  for (const raw of listing.slice(1, -1).filter((line) => !OUR_RULES.test(line))) {
    const line = raw.trim();
    const opened = /^((?:chain|set|map|flowtable) \S+) \{$/.exec(line)?.[1];
    if (opened !== undefined) {
      block = [];
      blocks.set(opened, block);
    } else if (line !== "}") {
      block.push(line);
    }
  }
  return [...blocks].flatMap(([name, content]) =>
    isIdle(content) ? [] : [name, ...content.map((line, index) => `${name} ${index + 1} ${line}`)],
  );
}

/** A built-in chain without rules that lets everything pass: iptables makes such chains whenever it looks for rules. */
function isIdle(chain: readonly string[]): boolean {
  return chain.length === 1 && /^type .* policy accept;$/.test(chain[0] ?? "");
}

/** iptables-save prints the time and, with chains, counters; the order of rules is kept by a number in their chain. */
function withoutNoise(text: string): string[] {
  const counts = new Map<string, number>();
  let table = "";
  const foreign = text.split("\n").filter((line) => !OUR_RULES.test(line));
  return foreign.flatMap((line) => {
    table = /^\*(\S+)/.exec(line)?.[1] ?? table;
    const rule = /^-A (\S+)/.exec(line);
    if (rule !== null) {
      return `${table} ${nextCount(counts, `${table} ${rule[1]}`)} ${line}`;
    }
    return line.startsWith(":") && !line.includes(" ACCEPT ") ? `${table} ${line.replace(/ \[.*$/, "")}` : [];
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
    .filter((line) => !AUTOMATIC.test(line))
    .sort();
}

async function foreignRoutes(host: LabHost, ours: ReadonlySet<string>): Promise<string[]> {
  const found = await Promise.all(
    ["-4", "-6"].map(async (family) =>
      (await lines(host, ["ip", family, "route", "show", "table", "all"]))
        .filter((line) => !ours.has(/ dev (\S+)/.exec(line)?.[1] ?? "") && !AUTOMATIC.test(line))
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
