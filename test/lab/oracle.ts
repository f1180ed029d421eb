import assert from "node:assert/strict";
import { isIP } from "node:net";
import {
  boundsOf,
  familyOf,
  fromBigInt,
  hostOf,
  type Prefix,
  parseIpAddress,
  parsePrefix,
  prefixContains,
} from "../../src/model/ip.ts";
import { compareForeign, type ForeignSnapshot, snapshotForeign } from "./foreign.ts";
import type { LabHost } from "./host.ts";
import { type OurSnapshot, snapshotOurs } from "./ours.ts";
import { waitFor } from "./wait.ts";

export { compareForeign, snapshotForeign, withoutLines } from "./foreign.ts";
export { snapshotOurs } from "./ours.ts";

/** What was created and never answered goes 15 s after the driver's start, or 25 s if nothing else happens. */
const SETTLE_DEADLINE_MS = 45_000;

export interface OracleOptions {
  /** As `docker network ls` names it. Default "fairway". */
  readonly driver?: string;
  /** How long queued deletions may take. Default 15 s. */
  readonly deadlineMs?: number;
  /** When given, everything that is not ours must be as it was then. */
  readonly foreign?: ForeignSnapshot;
  /** Foreign lines that may change, such as /forwarding/ when the first IPv6 network makes the host a router. */
  readonly mayChange?: RegExp;
}

/** What the engine says should be there. */
interface Expected {
  readonly networkIds: ReadonlySet<string>;
  /** Those that have a bridge. */
  readonly bridgedIds: ReadonlySet<string>;
  /** Address families of networks, of any driver, whose addresses our IPAM driver hands out. */
  readonly poolCount: number;
  readonly endpointIds: ReadonlySet<string>;
  /** Subnets of networks with flat addresses; those that hosts may divide have routes for parts of them. */
  readonly routedSubnets: ReadonlyMap<Prefix, { readonly isDivisible: boolean }>;
  /** Addresses that may be named in our rules: endpoints, gateways, ends of subnets, the host's own. */
  readonly addresses: ReadonlySet<string>;
}

/**
 * Passes when what the driver keeps is what the engine knows, no more and no less: rows, interfaces, routes, rule
 * elements, bound ports. Fails with one line per difference, after the deadline, since deletions are done in the background.
 */
export async function assertNoLeaks(host: LabHost, options: OracleOptions = {}): Promise<void> {
  let leaks: string[] = [];
  try {
    await waitFor(
      async () => {
        leaks = await findLeaks(host, options);
        return leaks.length === 0;
      },
      options.deadlineMs ?? SETTLE_DEADLINE_MS,
      "the driver's leftovers to go",
    );
  } catch (error) {
    assert.ok(leaks.length > 0, error as Error);
    assert.fail(`left over on ${host.name}:\n  ${leaks.join("\n  ")}`);
  }
}

/** One line per difference; empty when there is none. */
export async function findLeaks(host: LabHost, options: OracleOptions = {}): Promise<string[]> {
  const expected = await askEngine(host, options.driver ?? "fairway");
  const ours = await snapshotOurs(host);
  const foreign = options.foreign === undefined ? [] : compareForeign(options.foreign, await snapshotForeign(host));
  const { mayChange } = options;
  return [
    ...differences("stored network", ours.networks, expected.networkIds),
    ...differences("stored endpoint", ours.endpoints, expected.endpointIds),
    ...linkLeaks(ours, expected),
    ...routeLeaks(ours, expected),
    ...poolLeaks(ours, expected),
    ...elementLeaks(ours, expected),
    ...socketLeaks(ours, expected),
    ...foreign.filter((line) => mayChange === undefined || !mayChange.test(line)),
  ];
}

interface PoolJson {
  readonly Subnet?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

interface NetworkJson {
  readonly Id: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly IPAM: { readonly Driver: string; readonly Config: readonly PoolJson[] | null };
  readonly Containers: Readonly<
    Record<string, { readonly EndpointID: string; readonly IPv4Address: string; readonly IPv6Address: string }>
  >;
}

async function askEngine(host: LabHost, driver: string): Promise<Expected> {
  const ids = await host.docker("network", "ls", "--no-trunc", "--quiet", "--filter", `driver=${driver}`);
  const networks =
    ids === "" ? [] : (JSON.parse(await host.docker("network", "inspect", ...ids.split("\n"))) as NetworkJson[]);
  const endpoints = networks.flatMap((network) => Object.values(network.Containers));
  const pools = networks.flatMap((network) => network.IPAM.Config ?? []);
  const addresses = [
    ...endpoints.flatMap((endpoint) => [endpoint.IPv4Address, endpoint.IPv6Address]),
    ...pools.map((pool) => pool.Gateway ?? firstOf(pool.Subnet)),
    ...pools.flatMap((pool) => Object.values(pool.AuxiliaryAddresses ?? {})),
    ...pools.flatMap((pool) => (pool.Subnet === undefined ? [] : endsOf(pool.Subnet))),
    ...networks.filter((network) => network.Options?.["egress_nat"] === "true").flatMap(flatSpaceEnds),
    ...(await ownAddresses(host)),
  ];
  return {
    networkIds: new Set(networks.map((network) => network.Id)),
    bridgedIds: new Set(
      networks
        .filter((network) => !["host", "routed"].includes(network.Options?.["mode"] ?? "bridge"))
        .map((network) => network.Id),
    ),
    routedSubnets: new Map(
      networks.filter(isRouted).flatMap((network) => {
        const isDivisible = network.IPAM.Driver === "fairway";
        return subnetsOf(network).map((subnet) => [parsePrefix(subnet), { isDivisible }] as const);
      }),
    ),
    poolCount: await countPools(host),
    endpointIds: new Set(endpoints.map((endpoint) => endpoint.EndpointID)),
    addresses: new Set(addresses.filter((address) => address !== "").map(canonical)),
  };
}

function isRouted(network: NetworkJson): boolean {
  return network.Options?.["mode"] === "routed";
}

function subnetsOf(network: NetworkJson): string[] {
  return (network.IPAM.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []);
}

/** Written out here for the same reason as our marks: RFC 1918, RFC 6598, RFC 4193. */
const PRIVATE_SPACE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7";

function flatSpaceEnds(network: NetworkJson): string[] {
  const text = network.Options?.["flat_space"] ?? PRIVATE_SPACE;
  return [...text.split(","), "0.0.0.0/0", "::/0"].flatMap((prefix) => endsOf(prefix.trim()));
}

async function countPools(host: LabHost): Promise<number> {
  const ids = await host.docker("network", "ls", "--no-trunc", "--quiet");
  const networks = JSON.parse(await host.docker("network", "inspect", ...ids.split("\n"))) as NetworkJson[];
  const own = networks.filter((network) => network.IPAM.Driver === "fairway");
  return own.reduce((count, network) => count + (network.IPAM.Config ?? []).length, 0);
}

async function ownAddresses(host: LabHost): Promise<string[]> {
  const links = JSON.parse(await host.exec(["ip", "-j", "addr"])) as {
    readonly addr_info: readonly { readonly local: string }[];
  }[];
  return [
    "0.0.0.0",
    "::",
    "127.0.0.1",
    "::1",
    ...links.flatMap((link) => link.addr_info.map((address) => address.local)),
  ];
}

/** What an engine asks for as gateway when nobody names one; it shows only what somebody has named. */
function firstOf(subnet: string | undefined): string {
  if (subnet === undefined) {
    return "";
  }
  const prefix = parsePrefix(subnet);
  return fromBigInt(boundsOf(prefix)[0] + 1n, familyOf(prefix));
}

function endsOf(subnet: string): string[] {
  const prefix = parsePrefix(subnet);
  return boundsOf(prefix).map((end) => fromBigInt(end, familyOf(prefix)));
}

function canonical(address: string): string {
  return parseIpAddress(address.split("/")[0] ?? "");
}

function differences(noun: string, rows: OurSnapshot["networks"], expected: ReadonlySet<string>): string[] {
  const found = new Set(rows.map((row) => row.id));
  return [
    ...[...found].filter((id) => !expected.has(id)).map((id) => `${noun} ${id} is unknown to the engine`),
    ...[...expected].filter((id) => !found.has(id)).map((id) => `${noun} ${id} is missing`),
  ];
}

/** Aliases are "fairway:network:ID" and "fairway:endpoint:ID:NETWORK-ID". */
function linkLeaks(ours: OurSnapshot, expected: Expected): string[] {
  const marks = new Map<string, string>();
  const leaks: string[] = [];
  for (const { name, alias } of ours.links) {
    const [, noun = "", id = ""] = alias.split(":");
    const ids = noun === "network" ? expected.networkIds : expected.endpointIds;
    if (!ids.has(id)) {
      leaks.push(`interface ${name} (${alias === "" ? "no alias" : alias}) belongs to nothing that the engine knows`);
    }
    marks.set(id, name);
  }
  const missing = [...expected.bridgedIds, ...expected.endpointIds].filter((id) => !marks.has(id));
  return [...leaks, ...missing.map((id) => `no interface is marked as that of ${id}`)];
}

/**
 * A stand-in address is somebody's while its route leads to a container, which goes with the interface. A flat address is
 * an endpoint's, and each network of the kind has its subnets.
 */
function routeLeaks(ours: OurSnapshot, expected: Expected): string[] {
  const isStandIn = (route: string) => /^240\.|^fd66:6169:7277:6179:/.test(route);
  const subnets = [...expected.routedSubnets];
  const isBlock = (route: string) =>
    subnets.some(([subnet, { isDivisible }]) =>
      isDivisible ? route.includes("/") && prefixContains(subnet, hostOf(parsePrefix(route))) : route === subnet,
    );
  const strange = ours.routes.filter((route) =>
    isStandIn(route)
      ? expected.endpointIds.size === 0
      : !isBlock(route) && !(expected.endpointIds.size > 0 && expected.addresses.has(canonical(route))),
  );
  const missing = subnets.flatMap(([subnet, { isDivisible }]) =>
    isDivisible || ours.routes.includes(subnet) ? [] : [subnet],
  );
  return [
    ...strange.map((route) => `route to ${route} leads to nobody`),
    ...missing.map((subnet) => `route for ${subnet} is missing`),
  ];
}

function poolLeaks(ours: OurSnapshot, expected: Expected): string[] {
  const pools = ours.pools.map(({ id }) => id);
  const held = ours.leases.filter(({ record }) => record["releasedAtMs"] === undefined);
  const count =
    pools.length === expected.poolCount ? [] : [`${pools.join(", ")}: the engine has ${expected.poolCount}`];
  const strange = held.filter(({ record }) => !expected.addresses.has(canonical(String(record["address"]))));
  return [
    ...count.map((line) => `address pools ${line}`),
    ...strange.map(({ id }) => `lease ${id} is held by nobody that the engine knows`),
  ];
}

function elementLeaks(ours: OurSnapshot, expected: Expected): string[] {
  const links = new Set(ours.links.map((link) => link.name));
  const standIns = new Set(ours.routes.map(canonical));
  // Networks without a bridge have them, attached or not.
  const hasGateways = expected.networkIds.size > expected.bridgedIds.size;
  const isGateway = (word: string) => hasGateways && /^(169\.254\.80\.|fe80::fa17:)/.test(word);
  return ours.elements.flatMap((element) => {
    const words = element.match(/[^"\s,{}[\]]+/g) ?? [];
    const strange = words.filter(
      (word) =>
        (/^fw[bvc][0-9a-z]{12}$/.test(word) && !links.has(word)) ||
        (isIP(word) !== 0 &&
          !isGateway(word) &&
          !expected.addresses.has(canonical(word)) &&
          !standIns.has(canonical(word))),
    );
    return strange.length === 0 ? [] : [`rule element ${element} names ${strange.join(", ")}, which nobody has`];
  });
}

/** How many ports belong to an endpoint is the tests' business; without endpoints there must be none. */
function socketLeaks(ours: OurSnapshot, expected: Expected): string[] {
  return expected.endpointIds.size > 0 ? [] : ours.sockets.map((socket) => `driver still holds a socket: ${socket}`);
}
