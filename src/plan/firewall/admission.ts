/** Chains that decide who may talk to whom. */
import { admittedMarkBit, isolatedLinkGroup, priorities, publishedMarkBit } from "../names.ts";
import type { NftAction, NftChain, NftRule } from "../ruleset.ts";
import { answered, families, fromBridge, fromOurs, published, toBridge, toOurs, unlessFromOurs } from "./terms.ts";

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
  return { name: "input", hook, rules: [unlessFromOurs, ...rules] };
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
export function fromContainerChain(): NftChain {
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
