import { hostOf, parsePrefix, prefixLengthOf, toBytes } from "../../model/ip.ts";
import type { NftAction, NftChain, NftFamily, NftMatch, NftRule, NftSelector, NftTable } from "../../plan/ruleset.ts";
import { NLM_F_APPEND, NLM_F_CREATE, nested, textAttribute } from "../netlink/message.ts";
import { familyOfField, storeAddress } from "./address-fields.ts";
import type { BatchStep } from "./batch.ts";
import {
  ETH_P_IP,
  ETH_P_IPV6,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFTA_RULE_CHAIN,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_TABLE,
  nftMessage,
  VERDICT_REGISTER,
} from "./constants.ts";
import {
  compare,
  conclude,
  count,
  loadConntrack,
  loadDestinationType,
  loadMeta,
  loadPayload,
  lookUp,
  lookUpAbsent,
  mask,
  masquerade,
  storeMark,
  translate,
} from "./expressions.ts";
import { paddedBytes } from "./field-types.ts";
import { familiesOf, loadKey, registerAt } from "./selectors.ts";

type IpFamily = "ipv4" | "ipv6";

const firstRegister = registerAt(0);
/** RTN_LOCAL in include/uapi/linux/rtnetlink.h. */
const localRouteType = 2;
/** Bit of each state as "ct state" gives it: 1 << (enum ip_conntrack_info + 1), and 1 for invalid. */
const ctStateBits = { invalid: 1, established: 2, related: 4, new: 8 } as const;
/** IP protocol numbers (IANA). */
const protocolNumbers = { icmp: 1, icmpv6: 58 } as const;
/** Clear in the type of an ICMPv6 error. */
const icmpv6InformationBit = 0x80;
const icmpv6EchoRequest = 128;
/** IPS_DST_NAT in nf_conntrack_common.h. */
const dnatStatusBit = 32;

export function addRule(table: NftTable, chain: NftChain, rule: NftRule): BatchStep {
  return {
    subject: `chain ${chain.name}`,
    type: nftMessage.newRule,
    flags: NLM_F_CREATE | NLM_F_APPEND,
    family: table.family,
    attributes: [
      textAttribute(NFTA_RULE_TABLE, table.name),
      textAttribute(NFTA_RULE_CHAIN, chain.name),
      nested(NFTA_RULE_EXPRESSIONS, ruleExpressions(table.family, rule)),
    ],
  };
}

/** What a rule looks at, whether it counts, and what it does, in this order. */
export function ruleExpressions(tableFamily: NftFamily, rule: NftRule): Buffer[] {
  const writer = new RuleWriter(tableFamily);
  for (const match of rule.match) {
    writer.match(match);
  }
  writer.beforeAction(rule.action);
  if (rule.counter === true) {
    writer.add(count());
  }
  writer.act(rule.action);
  return writer.expressions;
}

/** Collects the expressions of one rule and sees to it that IP headers are only read from packets that have them. */
class RuleWriter {
  readonly expressions: Buffer[] = [];
  readonly #tableFamily: NftFamily;
  #family: IpFamily | undefined;

  constructor(tableFamily: NftFamily) {
    this.#tableFamily = tableFamily;
  }

  add(...expressions: readonly Buffer[]): void {
    this.expressions.push(...expressions);
  }

  match(match: NftMatch): void {
    if ("family" in match) {
      this.#require(match.family);
    } else if ("ctState" in match) {
      this.#matchBits(
        "state",
        match.ctState.reduce((bits, state) => bits | ctStateBits[state], 0),
      );
    } else if ("ctStatus" in match) {
      this.#matchBits("status", dnatStatusBit);
    } else if ("destination" in match) {
      this.add(loadDestinationType(firstRegister), compare("equal", firstRegister, hostNumber(localRouteType)));
    } else if ("group" in match) {
      this.#matchGroup(match);
    } else if ("icmp" in match) {
      this.#matchProtocol(match.icmp, match.icmp === "ipv4" ? "icmp" : "icmpv6");
    } else if ("leavesByBridge" in match) {
      this.add(loadMeta("oifkind", firstRegister), compare("equal", firstRegister, interfaceKind("bridge")));
    } else if ("markBit" in match) {
      const bit = hostNumber(match.markBit);
      this.add(loadMeta("mark", firstRegister), mask(firstRegister, bit), compare("equal", firstRegister, bit));
    } else if ("icmpType" in match) {
      this.#matchIcmp("ipv4", "icmp");
      this.add(compare("equal", firstRegister, Buffer.from([match.icmpType])));
    } else if ("icmpv6" in match) {
      this.#matchIcmpv6(match.icmpv6);
    } else if ("prefix" in match) {
      this.#matchPrefix(match.select, match.prefix);
    } else {
      this.#matchMember(match);
    }
  }

  #matchIcmpv6(what: "error" | "echo-request"): void {
    this.#matchIcmp("ipv6", "icmpv6");
    if (what === "error") {
      this.add(mask(firstRegister, Buffer.from([icmpv6InformationBit])));
    }
    this.add(compare("equal", firstRegister, Buffer.from([what === "error" ? 0 : icmpv6EchoRequest])));
  }

  #matchMember(match: Extract<NftMatch, { readonly in: string }>): void {
    this.#load(match.select);
    this.add(match.negate === true ? lookUpAbsent(match.in, firstRegister) : lookUp(match.in, firstRegister));
  }

  #matchGroup(match: Extract<NftMatch, { readonly group: number }>): void {
    this.add(loadMeta(match.select, firstRegister));
    this.add(...(match.mask === undefined ? [] : [mask(firstRegister, hostNumber(match.mask))]));
    this.add(compare(match.negate === true ? "notEqual" : "equal", firstRegister, hostNumber(match.group)));
  }

  /** A packet that the action cannot apply to must neither be counted nor looked up. */
  beforeAction(action: NftAction): void {
    const family = familyOfAction(action);
    if (family !== undefined) {
      this.#require(family);
    }
    if ("select" in action) {
      this.#requireFor(action.select);
    }
  }

  act(action: NftAction): void {
    if ("verdict" in action) {
      this.add(conclude(action.verdict));
    } else if ("masquerade" in action) {
      this.add(masquerade());
    } else if ("setMarkBit" in action) {
      const others = hostNumber(~action.setMarkBit >>> 0);
      this.add(loadMeta("mark", firstRegister), mask(firstRegister, others, hostNumber(action.setMarkBit)));
      this.add(storeMark(firstRegister));
    } else if ("vmap" in action) {
      this.#load(action.select);
      this.add(lookUp(action.vmap, firstRegister, VERDICT_REGISTER));
    } else if ("dnat" in action) {
      this.#load(action.select);
      const target = { family: action.dnat, address: firstRegister };
      const port = registerAt(paddedBytes(action.dnat === "ipv4" ? "ipv4_addr" : "ipv6_addr"));
      this.add(lookUp(action.map, firstRegister, firstRegister));
      this.add(translate("dnat", action.port ? { ...target, port } : target));
    } else if ("rewrite" in action) {
      this.#load(action.select);
      this.add(lookUp(action.map, firstRegister, firstRegister));
      this.add(storeAddress(action.rewrite, firstRegister));
    } else {
      this.#load(action.select);
      this.add(lookUp(action.map, firstRegister, firstRegister));
      this.add(translate("snat", { family: action.snat, address: firstRegister }));
    }
  }

  #load(select: readonly NftSelector[]): void {
    this.#requireFor(select);
    this.add(...loadKey(select));
  }

  #requireFor(select: readonly NftSelector[]): void {
    for (const family of familiesOf(select)) {
      this.#require(family);
    }
  }

  #require(family: IpFamily): void {
    if (this.#family === family) {
      return;
    }
    if (this.#family !== undefined) {
      throw new Error(`a rule for ${this.#family} packets looks at ${family} fields`);
    }
    this.#family = family;
    this.add(...matchFamily(this.#tableFamily, family));
  }

  #matchProtocol(family: IpFamily, protocol: keyof typeof protocolNumbers): void {
    this.#require(family);
    const number = Buffer.from([protocolNumbers[protocol]]);
    this.add(loadMeta("l4proto", firstRegister), compare("equal", firstRegister, number));
  }

  /** Leaves the type of the message in the first register. */
  #matchIcmp(family: IpFamily, protocol: keyof typeof protocolNumbers): void {
    this.#matchProtocol(family, protocol);
    this.add(loadPayload({ base: "transport", offset: 0, bytes: 1 }, firstRegister));
  }

  #matchBits(key: "state" | "status", bits: number): void {
    const zero = hostNumber(0);
    this.add(
      loadConntrack(key, firstRegister),
      mask(firstRegister, hostNumber(bits)),
      compare("notEqual", firstRegister, zero),
    );
  }

  #matchPrefix(select: NftSelector, text: string): void {
    const prefix = parsePrefix(text);
    const address = toBytes(hostOf(prefix));
    this.#load([select]);
    const bits = prefixLengthOf(prefix);
    if (bits < address.length * 8) {
      this.add(mask(firstRegister, prefixMask(bits, address.length)));
    }
    this.add(compare("equal", firstRegister, address));
  }
}

/** A bridge sees frames, so there the EtherType tells the family. */
function matchFamily(table: NftFamily, family: IpFamily): Buffer[] {
  if (table === "bridge") {
    const etherType = Buffer.alloc(2);
    etherType.writeUInt16BE(family === "ipv4" ? ETH_P_IP : ETH_P_IPV6);
    return [loadMeta("protocol", firstRegister), compare("equal", firstRegister, etherType)];
  }
  const number = Buffer.from([family === "ipv4" ? NFPROTO_IPV4 : NFPROTO_IPV6]);
  return [loadMeta("nfproto", firstRegister), compare("equal", firstRegister, number)];
}

function familyOfAction(action: NftAction): IpFamily | undefined {
  if ("dnat" in action) {
    return action.dnat;
  }
  if ("rewrite" in action) {
    return familyOfField(action.rewrite);
  }
  return "snat" in action ? action.snat : undefined;
}

/** @param bits Leading ones. */
function prefixMask(bits: number, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, index) => maskByte(bits - index * 8)));
}

function maskByte(ones: number): number {
  return 0xff & ~(0xff >> Math.max(0, Math.min(8, ones)));
}

/** Kinds fill a register of 16 bytes. */
function interfaceKind(kind: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.write(kind, "ascii");
  return bytes;
}

function hostNumber(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
