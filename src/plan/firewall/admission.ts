/** Chains that decide who may talk to whom. */
import { admittedMarkBit, isolatedLinkGroup, priorities, publishedMarkBit } from "../names.ts";
import type { NftAction, NftChain, NftRule } from "../ruleset.ts";
import {
  answered,
  type FamilyTerms,
  families,
  fromBridge,
  fromElsewhere,
  fromFlat,
  fromOurs,
  notFromBridge,
  published,
  toBridge,
  toFlat,
  toOurs,
  unlessFromOurs,
} from "./terms.ts";

const admit: NftAction = { setMarkBit: admittedMarkBit };

/** A container reaches the host by its own gateway, not by the gateway of another network. */
export function inputChain(): NftChain {
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
  // IPv6 may choose the address of any bridge for what the host calls (RFC 6724), and is answered there.
  const answers: NftRule = { match: [answered], action: { verdict: "accept" } };
  return { name: "input", hook, rules: [unlessFromOurs, answers, ...rules] };
}

/**
 * Traffic that is not ours falls through: we never judge it. What is ours gets the mark that lets it pass the engine's
 * packet filter, save what leaves through somebody else's bridge: there the engine's own rules, or libvirt's, decide.
 * What is dropped further down was marked in vain.
 */
export function forwardChain(): NftChain {
  return {
    name: "forward",
    hook: { type: "filter", hook: "forward", priority: priorities.filter },
    rules: [
      { match: [toOurs], action: admit },
      { match: [toFlat], action: { verdict: { goto: "to_flat" } } },
      { match: [toOurs, fromOurs], action: { vmap: "intra", select: ["iifname", "oifname"] } },
      { match: [toOurs], action: { verdict: { goto: "to_container" } } },
      { match: [fromOurs], action: { verdict: { goto: "from_container" } } },
    ],
  };
}

export function admittedChain(): NftChain {
  return {
    name: "admitted",
    rules: [
      { match: [], action: admit },
      { match: [], action: { verdict: "accept" } },
    ],
  };
}

/** icc=false: neighbours meet only at published ports. */
export function isolatedPeersChain(): NftChain {
  return {
    name: "isolated_peers",
    rules: [
      { match: [answered], action: { verdict: "accept" } },
      { match: [published], action: { verdict: "accept" } },
      { match: [], action: { verdict: "drop" }, counter: true },
    ],
  };
}

export function toContainerChain(): NftChain {
  return {
    name: "to_container",
    rules: [
      // First: an answer out of an internal network is a way out as well.
      fromInternal,
      fromInternalFlat,
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

/** The other end of an internal network of flat addresses may be on another host. */
const fromInternalFlat: NftRule = {
  match: [fromFlat, { select: ["iifname"], in: "internal" }],
  action: { verdict: { goto: "internal_peers" } },
};

/** Containers of one network know each other by their addresses, on this host or on others. */
const peerRules: readonly NftRule[] = families.map(({ digit, saddr, daddr }) => ({
  match: [{ select: [saddr, daddr], in: `peers${digit}` }],
  action: { verdict: "accept" },
}));

export function internalPeersChain(): NftChain {
  return {
    name: "internal_peers",
    rules: [...peerRules, { match: [], action: { verdict: "drop" }, counter: true }],
  };
}

/** To a container with an address of its own: everybody reaches its published ports, its network reaches all. */
export function toFlatChain(): NftChain {
  return {
    name: "to_flat",
    rules: [
      fromInternal,
      // A neighbour on the wire, or on a bridge, that calls itself one of our containers.
      ...families.map(
        ({ digit, saddr }): NftRule => ({
          match: [fromElsewhere, { select: [saddr], in: `local${digit}` }],
          action: { verdict: "drop" },
          counter: true,
        }),
      ),
      // What a bridge of ours lets its containers say is no proof that they are of this network.
      ...peerRules.map((rule): NftRule => ({ ...rule, match: [notFromBridge, ...rule.match] })),
      // Before answers: an error message that quotes somebody's flow counts as one, whoever sends it.
      { match: [fromFlat, { select: ["iifname"], in: "internal" }], action: { verdict: "drop" }, counter: true },
      // Not before: routers between hosts say so when a packet is too big for their link.
      { match: [answered], action: { verdict: "accept" } },
      { match: [{ select: ["oifname"], in: "internal" }], action: { verdict: "drop" }, counter: true },
      { match: [published], action: { verdict: "accept" } },
      ...families.flatMap(reachableRules),
      { match: [], action: { verdict: "drop" }, counter: true },
    ],
  };
}

/** Echo requests as well: a network whose addresses cannot be probed cannot be looked after. */
function reachableRules({ family, digit, daddr }: FamilyTerms): NftRule[] {
  const service = [daddr, "l4proto", "th dport"] as const;
  const accept: NftAction = { verdict: "accept" };
  return [
    { match: [{ select: service, in: `reachable${digit}` }], action: accept },
    { match: [{ select: service, in: `reachable_range${digit}` }], action: accept },
    { match: [{ select: [daddr], in: `open${digit}` }], action: accept },
    { match: [family === "ipv4" ? { icmpType: 8 } : { icmpv6: "echo-request" }], action: accept },
  ];
}

/** Asks for bridges, not for what is none: hardware has no kind, and a rule that asks for one ends there unmatched. */
export function fromContainerChain(): NftChain {
  return {
    name: "from_container",
    rules: [
      fromInternal,
      fromInternalFlat,
      { match: [{ select: ["oifname"], in: "uplinks" }], action: { verdict: { goto: "admitted" } } },
      { match: [{ leavesByBridge: true }], action: { verdict: "accept" } },
      { match: [], action: { verdict: { goto: "admitted" } } },
    ],
  };
}

/** icc=false on the wire: frames of any protocol, ARP included, from one container's port to another's. */
export function neighboursChain(): NftChain {
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
