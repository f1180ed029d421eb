/**
 * Our packet filter without its elements. It is built once; from then on only elements of sets and maps change, so the
 * cost of a change and of a look-up does not grow with networks, containers or ports.
 */
import type { Family, Prefix } from "../model/ip.ts";
import {
  admittedMarkBit,
  isolatedLinkGroup,
  linkGroup,
  linkGroups,
  priorities,
  publishedMarkBit,
  shareLinkGroup,
  tableName,
} from "./names.ts";
import type { NftAction, NftChain, NftMatch, NftRule, NftSelector, NftSet, NftType, Ruleset } from "./ruleset.ts";
import { standInPrefixes } from "./stand-in.ts";

interface FamilyTerms {
  readonly family: Family;
  readonly digit: "4" | "6";
  readonly address: NftType;
  readonly saddr: "ip saddr" | "ip6 saddr";
  readonly daddr: "ip daddr" | "ip6 daddr";
  readonly loopback: string;
  /** Where the stand-in addresses of containers that share the host's are. */
  readonly standIns: Prefix;
  /** Sources of neighbour discovery (RFC 4861): they never leave the link. */
  readonly unmoved: readonly string[];
}

/** Types of ICMP messages that quote the packet they are about: RFC 792, without redirects, which nobody obeys. */
const icmpErrorTypes = [3, 11, 12];

const families: readonly FamilyTerms[] = [
  {
    family: "ipv4",
    digit: "4",
    address: "ipv4_addr",
    saddr: "ip saddr",
    daddr: "ip daddr",
    loopback: "127.0.0.0/8",
    standIns: standInPrefixes.ipv4,
    unmoved: [],
  },
  {
    family: "ipv6",
    digit: "6",
    address: "ipv6_addr",
    saddr: "ip6 saddr",
    daddr: "ip6 daddr",
    loopback: "::1/128",
    standIns: standInPrefixes.ipv6,
    unmoved: ["fe80::/10", "::/128"],
  },
];

export function planRuleset(): Ruleset {
  return {
    tables: [
      {
        family: "inet",
        name: tableName,
        sets: [...sharedSets, ...families.flatMap(familySets)],
        chains: [
          // A chain must exist before a rule jumps to it, so the plain chains come first.
          publishAtChain(),
          publishChain(),
          isolatedPeersChain(),
          admittedChain(),
          toContainerChain(),
          fromContainerChain(),
          ...quotedChains(),
          guardChain(),
          preroutingChain(),
          outputChain(),
          inputChain(),
          inputTranslationChain(),
          forwardChain(),
          postroutingChain(),
          realChain(),
          translatedChain(),
        ],
      },
      { family: "bridge", name: tableName, sets: [], chains: [neighboursChain()] },
    ],
  };
}

const sharedSets: readonly NftSet[] = [
  { name: "internal", key: ["ifname"] },
  { name: "isolated", key: ["ifname"] },
  { name: "uplinks", key: ["ifname"] },
  { name: "intra", key: ["ifname", "ifname"], data: "verdict" },
];

function familySets(terms: FamilyTerms): NftSet[] {
  const { digit, address } = terms;
  const target: NftType[] = [address, "inet_service"];
  return [
    { name: `publish_address${digit}`, key: [address, "inet_proto", "inet_service"], data: target },
    { name: `publish_any${digit}`, key: ["inet_proto", "inet_service"], data: target },
    { name: `range_address${digit}`, key: [address, "inet_proto", "inet_service"], data: [address], interval: true },
    { name: `range_any${digit}`, key: ["inet_proto", "inet_service"], data: [address], interval: true },
    { name: `unpublished${digit}`, key: [address] },
    { name: `gateways${digit}`, key: [address] },
    { name: `own_gateway${digit}`, key: ["ifname", address] },
    { name: `hairpin${digit}`, key: [address, address], interval: true },
    { name: `masquerade${digit}`, key: ["ifname"] },
    { name: `snat${digit}`, key: ["ifname"], data: [address] },
    { name: `stand_in${digit}`, key: ["ifname", address], data: [address] },
    { name: `real${digit}`, key: ["ifname"], data: [address] },
    { name: `shared${digit}`, key: ["ifname"], data: [address] },
  ];
}

/** One comparison each; a look-up in a set of names costs as much as ten. */
const fromOurs: NftMatch = { select: "iifgroup", group: linkGroups.value, mask: linkGroups.mask };
const toOurs: NftMatch = { select: "oifgroup", group: linkGroups.value, mask: linkGroups.mask };
const fromBridge: NftMatch = { select: "iifgroup", group: linkGroup };
const toBridge: NftMatch = { select: "oifgroup", group: linkGroup };
/** Base chains see every packet of the host: what is not ours leaves them at once. */
const unlessFromOurs: NftRule = { match: [{ ...fromOurs, negate: true }], action: { verdict: "return" } };

const answered: NftMatch = { ctState: ["established", "related"] };
const published: NftMatch = { ctStatus: "dnat" };
const admit: NftAction = { setMarkBit: admittedMarkBit };

/** Translates only what is addressed to this host: transit traffic to the same port is not ours (CVE-2025-67499). */
function publishChain(): NftChain {
  return {
    name: "publish",
    rules: [
      { match: [], action: { verdict: { jump: "publish_at" } } },
      ...families.flatMap((terms) => [
        publishRule(terms, "publish_any", service, true),
        publishRule(terms, "range_any", service, false),
      ]),
    ],
  };
}

/** What is published on one address goes before what is published on all. */
function publishAtChain(): NftChain {
  return {
    name: "publish_at",
    rules: families.flatMap((terms) => [
      publishRule(terms, "publish_address", [terms.daddr, ...service], true),
      publishRule(terms, "range_address", [terms.daddr, ...service], false),
    ]),
  };
}

const service: readonly NftSelector[] = ["l4proto", "th dport"];

function publishRule(
  { family, digit }: FamilyTerms,
  map: string,
  select: readonly NftSelector[],
  port: boolean,
): NftRule {
  return {
    match: [{ family }, { destination: "local" }],
    action: { dnat: family, map: `${map}${digit}`, select, port },
  };
}

/**
 * What comes from containers, before anything else sees it. Interfaces of ours accept route_localnet so that 127.0.0.1
 * of the host can be published; without the first rules a container could reach services that listen on the host's
 * loopback only (CVE-2020-8558).
 *
 * Mode host: the container has the host's own address, with which the host cannot tell it from itself. On its way
 * through the host each container goes by a stand-in address of its own, so routes, connection tracking and translation
 * are the ordinary ones. Before tracking, and only for its own address: any other source is a forgery.
 */
function guardChain(): NftChain {
  return {
    name: "guard",
    hook: { type: "filter", hook: "prerouting", priority: priorities.guard },
    rules: [
      unlessFromOurs,
      ...families.flatMap((terms): NftRule[] => [
        { match: [{ select: terms.daddr, prefix: terms.loopback }], action: { verdict: "drop" } },
        { match: [{ select: terms.saddr, prefix: terms.loopback }], action: { verdict: "drop" } },
      ]),
      { match: [{ select: "iifgroup", group: shareLinkGroup, negate: true }], action: { verdict: "return" } },
      ...quotedJumps("stand_in_quoted"),
      ...families.flatMap(({ family, digit, saddr, standIns, unmoved }): NftRule[] => [
        ...unmoved.map((prefix): NftRule => ({ match: [{ select: saddr, prefix }], action: { verdict: "return" } })),
        { match: [{ select: saddr, prefix: standIns }], action: { verdict: "drop" }, counter: true },
        { match: [], action: { rewrite: saddr, map: `stand_in${digit}`, select: ["iifname", saddr] } },
        { match: [{ select: saddr, prefix: standIns }], action: { verdict: "return" } },
        { match: [{ family }], action: { verdict: "drop" }, counter: true },
      ]),
    ],
  };
}

/** The way back from stand-in addresses, when all decisions have been taken: the container sees its own only. */
function realChain(): NftChain {
  return {
    name: "real",
    hook: { type: "filter", hook: "postrouting", priority: priorities.real },
    rules: [
      { match: [{ select: "oifgroup", group: shareLinkGroup, negate: true }], action: { verdict: "return" } },
      ...quotedJumps("real_quoted"),
      ...families.map(
        ({ digit, daddr, standIns }): NftRule => ({
          // Nothing else: neighbour discovery talks to link-local and multicast addresses.
          match: [{ select: daddr, prefix: standIns }],
          action: { rewrite: daddr, map: `real${digit}`, select: ["oifname"] },
        }),
      ),
    ],
  };
}

function quotedJumps(chain: string): NftRule[] {
  return families.map(({ family }): NftRule => ({ match: [{ icmp: family }], action: { verdict: { jump: chain } } }));
}

/** An ICMP error says which packet it is about, and that one's sender knows it by its own address. */
function quotedChains(): NftChain[] {
  const toHost = { side: "daddr", map: "stand_in", by: ["iifname", "saddr"] } as const;
  const toContainer = { side: "saddr", map: "real", by: ["oifname"] } as const;
  return [
    { name: "stand_in_quoted", rules: quotedRules(toHost) },
    { name: "real_quoted", rules: quotedRules(toContainer) },
  ];
}

function quotedRules(way: {
  readonly side: "saddr" | "daddr";
  readonly map: string;
  readonly by: readonly ("iifname" | "oifname" | "saddr")[];
}): NftRule[] {
  const select = (ip: "ip" | "ip6"): NftSelector[] =>
    way.by.map((field) => (field === "saddr" ? (`${ip} saddr` as const) : field));
  return [
    ...icmpErrorTypes.map(
      (icmpType): NftRule => ({
        match: [{ icmpType }],
        action: { rewrite: `quoted ip ${way.side}`, map: `${way.map}4`, select: select("ip") },
      }),
    ),
    {
      match: [{ icmpv6: "error" }],
      action: { rewrite: `quoted ip6 ${way.side}`, map: `${way.map}6`, select: select("ip6") },
    },
  ];
}

/** A program of the host sees a container that shares the host's address under that address. */
function inputTranslationChain(): NftChain {
  return {
    name: "input_nat",
    hook: { type: "nat", hook: "input", priority: priorities.srcnat },
    rules: families.map(sharedSource),
  };
}

function sharedSource({ family, digit }: FamilyTerms): NftRule {
  return { match: [{ family }], action: { snat: family, map: `shared${digit}`, select: ["iifname"] } };
}

/** From outside, loopback addresses are never published: a neighbour can forge such frames. */
function preroutingChain(): NftChain {
  const spared: NftRule[] = families.map((terms) => ({
    match: [{ select: terms.daddr, prefix: terms.loopback }],
    action: { verdict: "return" },
  }));
  return {
    name: "prerouting",
    hook: { type: "nat", hook: "prerouting", priority: priorities.dstnat },
    rules: [...spared, { match: [], action: { verdict: { jump: "publish" } } }],
  };
}

/**
 * With bridge-nf-call-iptables, a packet for a published port of a neighbour is translated on the bridge and goes on from
 * port to port. The mark takes the word of this table, which knows translations, to the bridge's, which does not.
 */
function translatedChain(): NftChain {
  return {
    name: "translated",
    hook: { type: "filter", hook: "prerouting", priority: priorities.translated },
    rules: [
      {
        match: [fromBridge, { select: ["iifname"], in: "isolated" }, published],
        action: { setMarkBit: publishedMarkBit },
      },
    ],
  };
}

/** icc=false on the wire: frames of any protocol, ARP included, from one container's port to another's. */
function neighboursChain(): NftChain {
  return {
    name: "neighbours",
    hook: { type: "filter", hook: "forward", priority: priorities.bridgeFilter },
    rules: [
      { match: [{ markBit: publishedMarkBit }], action: { verdict: "accept" } },
      {
        match: [
          { select: "iifgroup", group: isolatedLinkGroup },
          { select: "oifgroup", group: isolatedLinkGroup },
        ],
        action: { verdict: "drop" },
        counter: true,
      },
    ],
  };
}

/**
 * What the host itself calls. Addresses at which not everything can work from here stay untranslated, so that they fail
 * at once, save what is published at them by name.
 */
function outputChain(): NftChain {
  const spared: NftRule[] = families.map((terms) => ({
    match: [{ select: [terms.daddr], in: `unpublished${terms.digit}` }],
    action: { verdict: "return" },
  }));
  return {
    name: "output",
    hook: { type: "nat", hook: "output", priority: priorities.dstnat },
    rules: [
      { match: [], action: { verdict: { jump: "publish_at" } } },
      ...spared,
      { match: [], action: { verdict: { jump: "publish" } } },
    ],
  };
}

/** A container reaches the host by its own gateway, not by the gateway of another network. */
function inputChain(): NftChain {
  const rules: NftRule[] = families.flatMap((terms) => [
    {
      match: [{ select: ["iifname", terms.daddr], in: `own_gateway${terms.digit}` }],
      action: { verdict: "accept" },
    },
    {
      match: [{ select: [terms.daddr], in: `gateways${terms.digit}` }],
      action: { verdict: "drop" },
      counter: true,
    },
  ]);
  const hook = { type: "filter", hook: "input", priority: priorities.filter } as const;
  return { name: "input", hook, rules: [unlessFromOurs, ...rules] };
}

/**
 * Traffic that is not ours falls through: we never judge it. What is ours gets the mark that lets it pass the engine's
 * packet filter, save what leaves through somebody else's bridge: there the engine's own rules, or libvirt's, decide.
 * What is dropped further down was marked in vain.
 */
function forwardChain(): NftChain {
  return {
    name: "forward",
    hook: { type: "filter", hook: "forward", priority: priorities.filter },
    rules: [
      { match: [toOurs], action: admit },
      { match: [toOurs, fromOurs], action: { vmap: "intra", select: ["iifname", "oifname"] } },
      { match: [toOurs], action: { verdict: { goto: "to_container" } } },
      { match: [fromOurs], action: { verdict: { goto: "from_container" } } },
    ],
  };
}

function admittedChain(): NftChain {
  return {
    name: "admitted",
    rules: [
      { match: [], action: admit },
      { match: [], action: { verdict: "accept" } },
    ],
  };
}

/** icc=false: neighbours meet only at published ports. */
function isolatedPeersChain(): NftChain {
  return {
    name: "isolated_peers",
    rules: [
      { match: [answered], action: { verdict: "accept" } },
      { match: [published], action: { verdict: "accept" } },
      { match: [], action: { verdict: "drop" }, counter: true },
    ],
  };
}

function toContainerChain(): NftChain {
  return {
    name: "to_container",
    rules: [
      // First: an answer out of an internal network is a way out as well.
      fromInternal,
      { match: [toBridge, { select: ["oifname"], in: "internal" }], action: { verdict: "drop" }, counter: true },
      { match: [answered], action: { verdict: "accept" } },
      { match: [published], action: { verdict: "accept" } },
      { match: [], action: { verdict: "drop" }, counter: true },
    ],
  };
}

const fromInternal: NftRule = {
  match: [fromBridge, { select: ["iifname"], in: "internal" }],
  action: { verdict: "drop" },
  counter: true,
};

/** Asks for bridges, not for what is none: hardware has no kind, and a rule that asks for one ends there unmatched. */
function fromContainerChain(): NftChain {
  return {
    name: "from_container",
    rules: [
      fromInternal,
      { match: [{ select: ["oifname"], in: "uplinks" }], action: { verdict: { goto: "admitted" } } },
      { match: [{ leavesByBridge: true }], action: { verdict: "accept" } },
      { match: [], action: { verdict: { goto: "admitted" } } },
    ],
  };
}

/**
 * Hairpin: a container that meets itself or a neighbour at a published port must see an answer from the address it
 * called, so the host's address on the bridge takes the place of its own. The rule goes by addresses because packets
 * that br_netfilter lends to this hook carry no input interface.
 */
function postroutingChain(): NftChain {
  return {
    name: "postrouting",
    hook: { type: "nat", hook: "postrouting", priority: priorities.srcnat },
    rules: families.flatMap(postroutingRules),
  };
}

function postroutingRules(terms: FamilyTerms): NftRule[] {
  const { family, digit, saddr, daddr } = terms;
  return [
    {
      match: [toOurs, published, { select: [saddr, daddr], in: `hairpin${digit}` }],
      action: { masquerade: true },
    },
    // What the host calls by its own loopback comes from an address that the container can answer.
    {
      match: [{ select: saddr, prefix: terms.loopback }],
      action: { snat: family, map: `real${digit}`, select: ["oifname"] },
    },
    { match: [toOurs, { select: saddr, prefix: terms.loopback }], action: { masquerade: true } },
    sharedSource(terms),
    { match: [toOurs, { family }], action: { verdict: "return" } },
    { match: [{ family }], action: { snat: family, map: `snat${digit}`, select: ["iifname"] } },
    { match: [{ family }, { select: ["iifname"], in: `masquerade${digit}` }], action: { masquerade: true } },
  ];
}
