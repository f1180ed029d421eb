import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { LabHost } from "./host.ts";
import { processesIn } from "./processes.ts";

/** Written out here instead of imported: the oracle must not agree with a mistake in the driver. */
const OUR_ALIAS = /^fairway:/;
const OUR_NAME = /^fw[bvc][0-9a-z]{12}$/;
const OUR_TABLE = "fairway";
const OUR_ROUTE_PROTOCOL = "143";
/** Column "st" of proc(5) /proc/net/tcp. */
const TCP_ESTABLISHED = "01";
const CONVERSATION = "conversation";
const NFT_FAMILIES = ["inet", "bridge", "ip", "ip6"];

export interface OurLink {
  readonly name: string;
  readonly alias: string;
}

export interface OurRow {
  readonly id: string;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Everything of the driver that can be seen from outside it. Lists are sorted. */
export interface OurSnapshot {
  readonly links: readonly OurLink[];
  /** "set key : data", one per element, as compact JSON. */
  readonly elements: readonly string[];
  readonly networks: readonly OurRow[];
  readonly endpoints: readonly OurRow[];
  readonly pools: readonly OurRow[];
  readonly leases: readonly OurRow[];
  /** Destinations of the host's routes that carry our routing protocol number. */
  readonly routes: readonly string[];
  /** Internet sockets of the driver's process. */
  readonly sockets: readonly string[];
  /** Processes in the host by the name docker-proxy. */
  readonly proxies: readonly string[];
  /** Our chain in the engine's packet filter and the jumps to it, as iptables-save prints them. */
  readonly engineRules: readonly string[];
}

export async function snapshotOurs(host: LabHost): Promise<OurSnapshot> {
  const [links, elements, engineRules, routes] = await Promise.all([
    ourLinks(host),
    ourElements(host),
    ourEngineRules(host),
    ourRoutes(host),
  ]);
  return {
    links,
    routes,
    engineRules,
    elements,
    proxies: ourProxies(host),
    networks: rowsOf(host, "networks"),
    endpoints: rowsOf(host, "endpoints"),
    pools: rowsOf(host, "pools"),
    leases: rowsOf(host, "leases"),
    sockets: host.isDriverRunning ? internetSockets(host.driverPid) : [],
  };
}

interface LinkJson {
  readonly ifname: string;
  readonly ifalias?: string;
}

export function isOurs(link: LinkJson): boolean {
  return OUR_ALIAS.test(link.ifalias ?? "") || OUR_NAME.test(link.ifname);
}

async function ourLinks(host: LabHost): Promise<OurLink[]> {
  const links = JSON.parse(await host.exec(["ip", "-j", "-d", "link"])) as LinkJson[];
  return links
    .filter(isOurs)
    .map((link) => ({ name: link.ifname, alias: link.ifalias ?? "" }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

async function ourElements(host: LabHost): Promise<string[]> {
  const found: string[] = [];
  for (const family of NFT_FAMILIES) {
    const listing = await host.tryExecInRoot(["nft", "-j", "list", "table", family, OUR_TABLE]);
    if (listing.code === 0) {
      found.push(...elementsIn(listing.stdout));
    } else if (!listing.stderr.includes("No such file or directory")) {
      throw new Error(`nft could not list table ${family} ${OUR_TABLE}: ${listing.stderr}`);
    }
  }
  return found.sort();
}

function elementsIn(listing: string): string[] {
  interface NftObject {
    readonly name: string;
    readonly elem?: readonly unknown[];
  }
  const { nftables } = JSON.parse(listing) as { nftables: Readonly<Record<string, NftObject>>[] };
  return nftables
    .flatMap((item) => item["set"] ?? item["map"] ?? [])
    .flatMap(({ name, elem = [] }) => elem.map((element) => `${name} ${JSON.stringify(element)}`));
}

async function ourRoutes(host: LabHost): Promise<string[]> {
  const listings = await Promise.all(
    ["-4", "-6"].map((family) => host.exec(["ip", family, "-j", "route", "show", "proto", OUR_ROUTE_PROTOCOL])),
  );
  const routes = listings.flatMap((listing) => JSON.parse(listing || "[]") as { readonly dst: string }[]);
  return routes.map(({ dst }) => dst).sort();
}

async function ourEngineRules(host: LabHost): Promise<string[]> {
  const found: string[] = [];
  for (const program of ["iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"]) {
    const rules = (await host.execInRoot([program])).split("\n").filter((line) => line.includes("FAIRWAY-"));
    found.push(...rules.map((rule) => `${program} ${rule}`));
  }
  return found;
}

/** The driver writes with a journal, so a reader of the file sees whole transactions. */
function rowsOf(host: LabHost, table: "networks" | "endpoints" | "pools" | "leases"): OurRow[] {
  const file = path.join(host.disks.driver, "state.sqlite");
  if (!existsSync(file)) {
    return [];
  }
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  try {
    const rows = database.prepare(`SELECT id, record FROM ${table} ORDER BY id`).all();
    return rows.map((row) => ({
      id: String(row["id"]),
      record: JSON.parse(String(row["record"])) as Record<string, unknown>,
    }));
  } finally {
    database.close();
  }
}

function ourProxies(host: LabHost): string[] {
  return processesIn(readlinkSync(`/proc/${host.space.pid}/ns/pid`))
    .map((pid) => readCommand(pid))
    .filter((command) => /(^|\/)docker-proxy /.test(command))
    .sort();
}

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/**
 * A TCP socket that is bound and neither listens nor is connected appears in no file of /proc/net; it is what remains
 * when the listed ones are taken away.
 */
function internetSockets(pid: number): string[] {
  const known = new Map<string, string>();
  for (const family of ["tcp", "tcp6", "udp", "udp6"]) {
    for (const fields of procNet(pid, family)) {
      // Conversations that the driver began, with a store that hosts share, come and go.
      const isConnected = family.startsWith("tcp") && fields[3] === TCP_ESTABLISHED;
      known.set(fields[9] ?? "", isConnected ? CONVERSATION : `${family} ${decodeAddress(fields[1] ?? "")}`);
    }
  }
  // Column of the inode by file: proc(5), net/unix/af_unix.c, net/netlink/af_netlink.c.
  const others: readonly [file: string, column: number][] = [
    ["unix", 6],
    ["netlink", 9],
    ["packet", 8],
    ["raw", 9],
    ["raw6", 9],
  ];
  const local = new Set(others.flatMap(([file, column]) => procNet(pid, file).map((fields) => fields[column] ?? "")));
  return socketInodes(pid)
    .filter((inode) => !local.has(inode))
    .map((inode) => known.get(inode) ?? "bound, silent")
    .filter((socket) => socket !== CONVERSATION)
    .sort();
}

function procNet(pid: number, file: string): string[][] {
  try {
    const lines = readFileSync(`/proc/${pid}/net/${file}`, "utf8").trim().split("\n").slice(1);
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

function socketInodes(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

/** "0100007F:1F90" is 127.0.0.1 port 8080; IPv6 stays in hex. */
function decodeAddress(text: string): string {
  const [address = "", port = "0"] = text.split(":");
  const bytes = Buffer.from(address, "hex");
  return `${bytes.length === 4 ? bytes.reverse().join(".") : address} port ${Number.parseInt(port, 16)}`;
}
