/** Chains at both ends of a packet's way through the host: no forged source comes in, and no stand-in address goes out. */
import { priorities, shareLinkGroup } from "../names.ts";
import type { NftChain, NftRule, NftSelector } from "../ruleset.ts";
import { families, fromFlat, unlessFromOurs } from "./terms.ts";

/** Types of ICMP messages that quote the packet they are about: RFC 792, without redirects, which nobody obeys. */
const icmpErrorTypes = [3, 11, 12];

/**
 * What comes from containers, before anything else sees it. Interfaces of ours accept route_localnet so that 127.0.0.1
 * of the host can be published; without the first rules a container could reach services that listen on the host's
 * loopback only (CVE-2020-8558).
 *
 * Mode host: the container has the host's own address, with which the host cannot tell it from itself. On its way
 * through the host each container goes by a stand-in address of its own, so routes, connection tracking and translation
 * are the ordinary ones. Before tracking, and only for its own address: any other source is a forgery.
 */
export function guardChain(): NftChain {
  return {
    name: "guard",
    hook: { type: "filter", hook: "prerouting", priority: priorities.guard },
    rules: [
      unlessFromOurs,
      ...families.flatMap((terms): NftRule[] => [
        { match: [{ select: terms.daddr, prefix: terms.loopback }], action: { verdict: "drop" } },
        { match: [{ select: terms.saddr, prefix: terms.loopback }], action: { verdict: "drop" } },
      ]),
      { match: [fromFlat], action: { verdict: { goto: "flat_source" } } },
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

/** Mode routed: the container's own address, and no other. */
export function flatSourceChain(): NftChain {
  return {
    name: "flat_source",
    rules: [
      ...families.flatMap(({ digit, saddr, unmoved }): NftRule[] => [
        { match: [{ select: ["iifname", saddr], in: `source${digit}` }], action: { verdict: "return" } },
        ...unmoved.map((prefix): NftRule => ({ match: [{ select: saddr, prefix }], action: { verdict: "return" } })),
      ]),
      ...families.map(({ family }): NftRule => ({ match: [{ family }], action: { verdict: "drop" }, counter: true })),
    ],
  };
}

/** The way back from stand-in addresses, when all decisions have been taken: the container sees its own only. */
export function realChain(): NftChain {
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
export function quotedChains(): NftChain[] {
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
