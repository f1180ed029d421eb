/** Chains that decide which address a connection goes to, and from which it seems to come. */
import { priorities, publishedMarkBit } from "../names.ts";
import type { NftChain, NftRule, NftSelector } from "../ruleset.ts";
import { type FamilyTerms, families, fromBridge, fromFlat, published, toOurs } from "./terms.ts";

/** Translates only what is addressed to this host: transit traffic to the same port is not ours (CVE-2025-67499). */
export function publishChain(): NftChain {
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
export function publishAtChain(): NftChain {
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

/** From outside, loopback addresses are never published: a neighbour can forge such frames. */
export function preroutingChain(): NftChain {
  const spared: NftRule[] = families.map((terms) => ({
    match: [{ select: terms.daddr, prefix: terms.loopback }],
    action: { verdict: "return" },
  }));
  return {
    name: "prerouting",
    hook: { type: "nat", hook: "prerouting", priority: priorities.dstnat },
    rules: [...spared, ...families.map(renumberedRule), { match: [], action: { verdict: { jump: "publish" } } }],
  };
}

/** `-p 8080:80` with an address of its own: port 8080 of that address, for whoever has come this far. */
function renumberedRule({ family, digit, daddr }: FamilyTerms): NftRule {
  return {
    match: [{ family }],
    action: { dnat: family, map: `renumbered${digit}`, select: [daddr, ...service], port: true },
  };
}

/**
 * What the host itself calls. Addresses at which not everything can work from here stay untranslated, so that they fail
 * at once, save what is published at them by name.
 */
export function outputChain(): NftChain {
  const spared: NftRule[] = families.map((terms) => ({
    match: [{ select: [terms.daddr], in: `unpublished${terms.digit}` }],
    action: { verdict: "return" },
  }));
  return {
    name: "output",
    hook: { type: "nat", hook: "output", priority: priorities.dstnat },
    rules: [
      ...families.map(renumberedRule),
      { match: [], action: { verdict: { jump: "publish_at" } } },
      ...spared,
      { match: [], action: { verdict: { jump: "publish" } } },
    ],
  };
}

/**
 * With bridge-nf-call-iptables, a packet for a published port of a neighbour is translated on the bridge and goes on from
 * port to port. The mark takes the word of this table, which knows translations, to the bridge's, which does not.
 */
export function translatedChain(): NftChain {
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

/** A program of the host sees a container that shares the host's address under that address. */
export function inputTranslationChain(): NftChain {
  return {
    name: "input_nat",
    hook: { type: "nat", hook: "input", priority: priorities.srcnat },
    rules: families.map(sharedSource),
  };
}

function sharedSource({ family, digit }: FamilyTerms): NftRule {
  return { match: [{ family }], action: { snat: family, map: `shared${digit}`, select: ["iifname"] } };
}

/**
 * Hairpin: a container that meets itself or a neighbour at a published port must see an answer from the address it
 * called, so the host's address on the bridge takes the place of its own. The rule goes by addresses because packets
 * that br_netfilter lends to this hook carry no input interface.
 */
export function postroutingChain(): NftChain {
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
    { match: [fromFlat, { select: [saddr, daddr], in: `flat${digit}` }], action: { verdict: "return" } },
    { match: [fromFlat, { select: [saddr, daddr], in: `egress${digit}` }], action: { masquerade: true } },
    { match: [{ family }], action: { snat: family, map: `snat${digit}`, select: ["iifname"] } },
    { match: [{ family }, { select: ["iifname"], in: `masquerade${digit}` }], action: { masquerade: true } },
  ];
}
