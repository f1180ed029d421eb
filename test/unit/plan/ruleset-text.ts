/** Our rules as text, for people: close to what nft prints, with one line per thing. */
import type { NftAction, NftChain, NftMatch, NftRule, NftSet, NftVerdict, Ruleset } from "../../../src/plan/ruleset.ts";
import { verdictText } from "../../fakes/fake-nft.ts";

export function rulesetText(ruleset: Ruleset): string {
  const lines = ruleset.tables.flatMap((table) => [
    `table ${table.family} ${table.name}`,
    ...table.sets.map((set) => `  ${setText(set)}`),
    ...table.chains.flatMap((chain) => ["", ...chainLines(chain).map((line) => `  ${line}`)]),
  ]);
  return `${lines.join("\n")}\n`;
}

function setText({ name, key, data, interval }: NftSet): string {
  const value = data === undefined ? "" : ` : ${data === "verdict" ? data : data.join(" . ")}`;
  const flags = interval === true ? " interval" : "";
  return `${data === undefined ? "set" : "map"} ${name} ${key.join(" . ")}${value}${flags}`;
}

function chainLines({ name, hook, rules }: NftChain): string[] {
  const place = hook === undefined ? "" : ` (${hook.type} ${hook.hook} ${hook.priority})`;
  return [`chain ${name}${place}`, ...rules.map((rule) => `  ${ruleText(rule)}`)];
}

function ruleText({ match, action, counter }: NftRule): string {
  return [...match.map(matchText), ...(counter === true ? ["counter"] : []), actionText(action)].join(" ");
}

function matchText(match: NftMatch): string {
  if ("family" in match) {
    return match.family;
  }
  if ("ctState" in match) {
    return `ct state ${match.ctState.join(",")}`;
  }
  if ("ctStatus" in match) {
    return `ct status ${match.ctStatus}`;
  }
  if ("destination" in match) {
    return `fib daddr type ${match.destination}`;
  }
  if ("prefix" in match) {
    return `${match.select} ${match.prefix}`;
  }
  if ("group" in match) {
    const bits = match.mask === undefined ? "" : ` & 0x${match.mask.toString(16)}`;
    return `${match.select}${bits}${match.negate === true ? " not" : ""} 0x${match.group.toString(16)}`;
  }
  if ("leavesByBridge" in match) {
    return "leaves by a bridge";
  }
  if ("markBit" in match) {
    return `mark has 0x${match.markBit.toString(16)}`;
  }
  return "in" in match ? memberText(match) : icmpText(match);
}

function icmpText(match: Extract<NftMatch, { icmp: string } | { icmpType: number } | { icmpv6: string }>): string {
  if ("icmp" in match) {
    return `${match.icmp} icmp`;
  }
  return "icmpType" in match ? `icmp type ${match.icmpType}` : `icmpv6 ${match.icmpv6}`;
}

function memberText(match: Extract<NftMatch, { readonly in: string }>): string {
  return `${match.select.join(" . ")} ${match.negate === true ? "not in" : "in"} @${match.in}`;
}

function actionText(action: NftAction): string {
  if ("verdict" in action) {
    return verdict(action.verdict);
  }
  if ("vmap" in action) {
    return `${action.select.join(" . ")} vmap @${action.vmap}`;
  }
  if ("masquerade" in action) {
    return "masquerade";
  }
  if ("dnat" in action) {
    return `dnat ${action.dnat} to ${action.port ? "address . port" : "address"} from ${action.select.join(" . ")} in @${action.map}`;
  }
  if ("setMarkBit" in action) {
    return `mark with 0x${action.setMarkBit.toString(16)}`;
  }
  if ("rewrite" in action) {
    return `${action.rewrite} becomes ${action.select.join(" . ")} in @${action.map}`;
  }
  return `snat ${action.snat} to ${action.select.join(" . ")} in @${action.map}`;
}

function verdict(value: NftVerdict): string {
  return verdictText(value);
}
