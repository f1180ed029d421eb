/**
 * Our packet filter without its elements. It is built once; from then on only elements of sets and maps change, so the
 * cost of a change and of a look-up does not grow with networks, containers or ports.
 */
import {
  admittedChain,
  forwardChain,
  fromContainerChain,
  inputChain,
  internalPeersChain,
  isolatedPeersChain,
  neighboursChain,
  toContainerChain,
  toFlatChain,
} from "./firewall/admission.ts";
import { flatSourceChain, guardChain, quotedChains, realChain } from "./firewall/identity.ts";
import { type FamilyTerms, families } from "./firewall/terms.ts";
import {
  inputTranslationChain,
  outputChain,
  postroutingChain,
  preroutingChain,
  publishAtChain,
  publishChain,
  translatedChain,
} from "./firewall/translation.ts";
import { tableName } from "./names.ts";
import type { NftSet, NftType, Ruleset } from "./ruleset.ts";

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
          internalPeersChain(),
          toFlatChain(),
          toContainerChain(),
          fromContainerChain(),
          ...quotedChains(),
          flatSourceChain(),
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
    { name: `source${digit}`, key: ["ifname", address] },
    { name: `local${digit}`, key: [address] },
    { name: `peers${digit}`, key: [address, address], interval: true },
    { name: `open${digit}`, key: [address] },
    { name: `reachable${digit}`, key: [address, "inet_proto", "inet_service"] },
    { name: `reachable_range${digit}`, key: [address, "inet_proto", "inet_service"], interval: true },
    { name: `renumbered${digit}`, key: [address, "inet_proto", "inet_service"], data: target },
    { name: `egress${digit}`, key: [address, address], interval: true },
    { name: `flat${digit}`, key: [address, address], interval: true },
    { name: `stand_in${digit}`, key: ["ifname", address], data: [address] },
    { name: `real${digit}`, key: ["ifname"], data: [address] },
    { name: `shared${digit}`, key: ["ifname"], data: [address] },
  ];
}
