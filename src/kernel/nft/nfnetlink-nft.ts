import type { ElementChange, NftElement, NftSet, NftTable, Ruleset } from "../../plan/ruleset.ts";
import { NLM_F_DUMP, NLMSG_HEADER_BYTES, parseAttributes, readText, textAttribute } from "../netlink/message.ts";
import type { NetlinkTransport } from "../netlink/transport.ts";
import { KernelError, type NftPort } from "../ports.ts";
import { type BatchStep, batch, stepMessage } from "./batch.ts";
import {
  NFTA_RULE_CHAIN,
  NFTA_RULE_TABLE,
  NFTA_TABLE_NAME,
  NFTA_TABLE_USE,
  NFTA_TABLE_USERDATA,
  nftMessage,
} from "./constants.ts";
import { addElements, removeAllElements, removeElements } from "./elements.ts";
import { clearTable, readComment, type Skeleton, skeletonOf } from "./skeleton.ts";

const familyHeaderBytes = 4;

interface Place {
  readonly table: NftTable;
  readonly set: NftSet;
}

/**
 * nftables over nfnetlink, without the nft program: a foreign table that a local nft cannot read does not concern us,
 * and a change costs microseconds. `change` goes by the ruleset of the last `install`.
 */
export class NfnetlinkNft implements NftPort {
  readonly #transport: NetlinkTransport;
  /** Encoding a table takes milliseconds, and the same one is looked after again and again. */
  readonly #skeletons = new WeakMap<NftTable, Skeleton>();
  #places: ReadonlyMap<string, Place> = new Map();

  constructor(transport: NetlinkTransport) {
    this.#transport = transport;
  }

  async install(ruleset: Ruleset, elements: readonly NftElement[]): Promise<void> {
    const places = placesOf(ruleset);
    const steps: BatchStep[] = [];
    for (const table of ruleset.tables) {
      const skeleton = this.#skeletonOf(table);
      const intact = await this.#isIntact(table, skeleton);
      steps.push(...(intact ? table.sets.map((set) => removeAllElements(table, set)) : fresh(skeleton)));
    }
    steps.push(...elementSteps(places, elements, addElements));
    await this.#commit("nftables install", steps);
    this.#places = places;
  }

  async change(change: ElementChange): Promise<void> {
    await this.#commit("nftables change", [
      ...elementSteps(this.#places, change.remove, removeElements),
      ...elementSteps(this.#places, change.add, addElements),
    ]);
  }

  async remove(ruleset: Ruleset): Promise<void> {
    await this.#commit("nftables remove", ruleset.tables.flatMap(clearTable));
  }

  async #commit(operation: string, steps: readonly BatchStep[]): Promise<void> {
    if (steps.length === 0) {
      return;
    }
    const acks = await this.#transport.transact("netfilter", batch(steps));
    const failed = acks.find((ack) => ack.errno !== undefined);
    if (failed?.errno !== undefined) {
      const subject = steps[failed.index - 1]?.subject ?? "transaction";
      throw new KernelError(operation, failed.errno, failed.detail === "" ? subject : `${subject}: ${failed.detail}`);
    }
  }

  /** True if the table is the one that we would make and nobody added or removed a set, a chain or a rule since. */
  async isIntact(ruleset: Ruleset): Promise<boolean> {
    for (const table of ruleset.tables) {
      if (!(await this.#isIntact(table, this.#skeletonOf(table)))) {
        return false;
      }
    }
    return true;
  }

  #skeletonOf(table: NftTable): Skeleton {
    const skeleton = this.#skeletons.get(table) ?? skeletonOf(table);
    this.#skeletons.set(table, skeleton);
    return skeleton;
  }

  async #isIntact(table: NftTable, skeleton: Skeleton): Promise<boolean> {
    const found = await this.#list(table, nftMessage.getTable, []);
    const attributes = found.find((candidate) => textOf(candidate, NFTA_TABLE_NAME) === table.name);
    const userData = attributes?.get(NFTA_TABLE_USERDATA);
    const objects = attributes?.get(NFTA_TABLE_USE)?.readUInt32BE();
    if (userData === undefined || readComment(userData) !== skeleton.comment) {
      return false;
    }
    return objects === table.chains.length + table.sets.length && (await this.#hasItsRules(table));
  }

  async #hasItsRules(table: NftTable): Promise<boolean> {
    const rules = await this.#list(table, nftMessage.getRule, [textAttribute(NFTA_RULE_TABLE, table.name)]);
    // A kernel that does not know the filter lists the rules of all tables.
    const own = rules.filter((rule) => textOf(rule, NFTA_RULE_TABLE) === table.name);
    const counted = Map.groupBy(own, (rule) => textOf(rule, NFTA_RULE_CHAIN));
    return table.chains.every((chain) => (counted.get(chain.name)?.length ?? 0) === chain.rules.length);
  }

  async #list(table: NftTable, type: number, attributes: readonly Buffer[]): Promise<Map<number, Buffer>[]> {
    const step: BatchStep = { subject: "", type, flags: NLM_F_DUMP, family: table.family, attributes };
    const replies = await this.#transport.dump("netfilter", stepMessage(step));
    return replies.map((reply) => parseAttributes(reply.subarray(NLMSG_HEADER_BYTES + familyHeaderBytes)));
  }
}

function fresh(skeleton: Skeleton): BatchStep[] {
  return [...skeleton.clear, ...skeleton.create];
}

function placesOf(ruleset: Ruleset): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const table of ruleset.tables) {
    for (const set of table.sets) {
      if (places.has(set.name)) {
        throw new Error(`two sets are called ${set.name}`);
      }
      places.set(set.name, { table, set });
    }
  }
  return places;
}

/** One message per set, whatever the order of the elements. */
function elementSteps(
  places: ReadonlyMap<string, Place>,
  elements: readonly NftElement[],
  encode: (table: NftTable, set: NftSet, elements: readonly NftElement[]) => BatchStep[],
): BatchStep[] {
  return [...Map.groupBy(elements, ({ set }) => set)].flatMap(([name, members]) => {
    const place = places.get(name);
    if (place === undefined) {
      throw new Error(`no set is called ${name}`);
    }
    return encode(place.table, place.set, members);
  });
}

function textOf(attributes: ReadonlyMap<number, Buffer>, type: number): string | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : readText(value);
}
