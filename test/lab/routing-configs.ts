/** Configurations of routing daemons: eBGP, IPv4 and IPv6 in sessions of their own, BFD, graceful restart. */

export interface Speaker {
  readonly asn: number;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Two neighbours on one link. */
export interface Peering {
  /** Of the neighbour, a word for the daemon's protocol names. */
  readonly name: string;
  readonly local: Speaker;
  readonly remote: Speaker;
}

/**
 * What a lost BFD session means to BIRD's BGP. "hard": the neighbour is dead, now; "graceful": it restarts, and its
 * routes stay until the restart time is over. FRR finds out which of the two it is, and needs no choice.
 */
export type BfdMode = "hard" | "graceful";

/** What a host may announce. */
export interface Pools {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Distinct from everything that labs and engines use by themselves. */
export const fabricPools: Pools = { ipv4: "10.60.0.0/16", ipv6: "2001:db8:60::/48" };

export interface HostConfigOptions {
  readonly peering: Peering;
  /** Default fabricPools. */
  readonly pools?: Pools;
  /** Default "hard". */
  readonly bfd?: BfdMode;
  /**
   * BIRD only: filters for the kernel protocols instead of the lab's own, from files to be included.
   * Files that are missing are no error when the path is a pattern.
   */
  readonly learn?: { readonly include: string; readonly filter4: string; readonly filter6: string };
}

export interface TorConfigOptions {
  readonly routerId: string;
  readonly peerings: readonly Peering[];
  readonly bfd?: BfdMode;
}

const BFD_INTERVAL_MS = 300;
const BFD_MULTIPLIER = 3;
const HOLD_S = 9;
const KEEPALIVE_S = 3;
const RESTART_S = 15;
const ROUTE_PROTOCOL = 143;
const ROUTE_METRIC = 9900;

export function birdTor({ routerId, peerings, bfd = "hard" }: TorConfigOptions): string {
  return [
    ...birdHead(routerId),
    ...birdKernel("4", "import none", "graceful restart;"),
    ...birdKernel("6", "import none", "graceful restart;"),
    ...birdBfd(),
    ...peerings.flatMap((peering) => birdSessions(peering, bfd, "where source = RTS_BGP", "")),
    "",
  ].join("\n");
}

/** Announces routes of the kernel that carry our protocol number and metric and lie in the pools; nothing else. */
export function birdHost({ peering, pools = fabricPools, bfd = "hard", learn }: HostConfigOptions): string {
  const filters = learn ?? { filter4: "lab_learn4", filter6: "lab_learn6" };
  return [
    ...birdHead(peering.local.ipv4),
    ...(learn === undefined ? birdLearnFilters(pools) : [`include "${learn.include}";`]),
    // No graceful restart of the kernel protocol: BIRD would look for our routes only after it had told the router that
    // it has announced all there are. The default route stands in for the routes that BIRD removes at its start.
    ...birdKernel("4", `import filter ${filters.filter4}`, "learn; persist;"),
    ...birdKernel("6", `import filter ${filters.filter6}`, "learn; persist;"),
    ...birdBfd(),
    // Routes learned from the kernel are RTS_INHERIT to BIRD.
    ...birdSessions(peering, bfd, "where source = RTS_INHERIT", "next hop self;"),
    "",
  ].join("\n");
}

function birdHead(routerId: string): string[] {
  return ["log stderr all;", `router id ${routerId};`, "protocol device { scan time 10; }"];
}

function birdLearnFilters(pools: Pools): string[] {
  const isOurs = `krt_source = ${ROUTE_PROTOCOL} && krt_metric = ${ROUTE_METRIC}`;
  return [
    `filter lab_learn4 { if ${isOurs} && net ~ [ ${pools.ipv4}+ ] then accept; reject; }`,
    `filter lab_learn6 { if ${isOurs} && net ~ [ ${pools.ipv6}+ ] then accept; reject; }`,
  ];
}

/** The buffer is against bursts: BIRD notices dropped messages only at the next scan. */
function birdKernel(family: "4" | "6", imports: string, more: string): string[] {
  return [
    `protocol kernel kernel${family} {`,
    `  ${more} scan time 10; netlink rx buffer 16777216;`,
    `  ipv${family} { ${imports}; export where source = RTS_BGP; };`,
    "}",
  ];
}

function birdBfd(): string[] {
  return [`protocol bfd { interface "*" { interval ${BFD_INTERVAL_MS} ms; multiplier ${BFD_MULTIPLIER}; }; }`];
}

function birdSessions({ name, local, remote }: Peering, bfd: BfdMode, exports: string, nextHop: string): string[] {
  return (["4", "6"] as const).flatMap((family) => [
    `protocol bgp ${name}_${family} {`,
    `  local ${local[`ipv${family}`]} as ${local.asn};`,
    `  neighbor ${remote[`ipv${family}`]} as ${remote.asn};`,
    `  hold time ${HOLD_S}; keepalive time ${KEEPALIVE_S}; connect delay time 1; error wait time 1,10;`,
    `  graceful restart on; graceful restart time ${RESTART_S}; bfd ${bfd === "hard" ? "on" : "graceful"};`,
    `  ipv${family} { import all; export ${exports}; ${nextHop} };`,
    "}",
  ]);
}

export function frrTor({ routerId, peerings }: Omit<TorConfigOptions, "bfd">): string {
  return [...frrHead("tor"), ...frrRouter(routerId, peerings), "end", ""].join("\n");
}

/** FRR sees every foreign protocol as "kernel", so that it tells our routes by the metric. */
export function frrHost({ peering, pools = fabricPools }: Omit<HostConfigOptions, "learn" | "bfd">): string {
  return [
    ...frrHead("host"),
    `ip prefix-list LAB4 seq 5 permit ${pools.ipv4} le 32`,
    `ipv6 prefix-list LAB6 seq 5 permit ${pools.ipv6} le 128`,
    ...frrRouteMap("LEARN4", "ip address prefix-list LAB4"),
    ...frrRouteMap("LEARN6", "ipv6 address prefix-list LAB6"),
    ...frrRouter(peering.local.ipv4, [peering], { "4": "LEARN4", "6": "LEARN6" }),
    "end",
    "",
  ].join("\n");
}

function frrHead(hostName: string): string[] {
  return [
    "frr version 8.4",
    "frr defaults datacenter",
    `hostname ${hostName}`,
    "bfd",
    " profile fabric",
    `  detect-multiplier ${BFD_MULTIPLIER}`,
    `  receive-interval ${BFD_INTERVAL_MS}`,
    `  transmit-interval ${BFD_INTERVAL_MS}`,
    " exit",
    "exit",
  ];
}

function frrRouteMap(name: string, match: string): string[] {
  return [`route-map ${name} permit 10`, ` match ${match}`, ` match metric ${ROUTE_METRIC}`, " set metric 0", "exit"];
}

function frrRouter(
  routerId: string,
  peerings: readonly Peering[],
  redistribute?: Readonly<Record<"4" | "6", string>>,
): string[] {
  const asn = peerings[0]?.local.asn;
  return [
    `router bgp ${asn}`,
    ` bgp router-id ${routerId}`,
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " bgp graceful-restart",
    " bgp graceful-restart preserve-fw-state",
    ` bgp graceful-restart restart-time ${RESTART_S}`,
    ` bgp graceful-restart stalepath-time ${RESTART_S}`,
    ...peerings.flatMap(({ remote }) => [remote.ipv4, remote.ipv6].flatMap((peer) => frrNeighbor(peer, remote.asn))),
    ...(["4", "6"] as const).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      ...(redistribute === undefined ? [] : [`  redistribute kernel route-map ${redistribute[family]}`]),
      ...peerings.map(({ remote }) => `  neighbor ${remote[`ipv${family}`]} activate`),
      " exit-address-family",
    ]),
    "exit",
  ];
}

function frrNeighbor(peer: string, asn: number): string[] {
  return [
    ` neighbor ${peer} remote-as ${asn}`,
    ` neighbor ${peer} bfd profile fabric`,
    ` neighbor ${peer} timers ${KEEPALIVE_S} ${HOLD_S}`,
    ` neighbor ${peer} timers connect 1`,
  ];
}
