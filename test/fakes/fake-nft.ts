import { isIPv4, isIPv6 } from "node:net";
import { KernelError, type NftPort } from "../../src/kernel/ports.ts";
import { isIfName } from "../../src/model/ids.ts";
import { type IpAddress, parseIpAddress, toBigInt } from "../../src/model/ip.ts";
import type {
  ElementChange,
  NftElement,
  NftField,
  NftScalar,
  NftSet,
  NftType,
  Ruleset,
} from "../../src/plan/ruleset.ts";
import { remember } from "./remember.ts";

type Elements = ReadonlyMap<string, ReadonlyMap<string, NftElement>>;

/** The tables of one host. Transactions are atomic; a mistake in their form is a plain Error, as it is a defect of ours. */
export class FakeNft implements NftPort {
  #ruleset: Ruleset | undefined;
  #elements: Elements = new Map();
  /** Committed transactions, for tests that count them. */
  readonly transactions: { readonly kind: "install" | "change" | "remove"; readonly elements: number }[] = [];

  get isInstalled(): boolean {
    return this.#ruleset !== undefined;
  }

  async install(ruleset: Ruleset, elements: readonly NftElement[]): Promise<void> {
    const sets = setsOf(ruleset);
    this.#elements = changed(new Map(), { add: elements, remove: [] }, sets, chainNames(ruleset));
    this.#ruleset = ruleset;
    this.transactions.push({ kind: "install", elements: elements.length });
  }

  async change(change: ElementChange): Promise<void> {
    if (this.#ruleset === undefined) {
      throw new KernelError("change elements", "ENOENT", "no table");
    }
    this.#elements = changed(this.#elements, change, setsOf(this.#ruleset), chainNames(this.#ruleset));
    this.transactions.push({ kind: "change", elements: change.add.length + change.remove.length });
  }

  async isIntact(): Promise<boolean> {
    return this.#ruleset !== undefined;
  }

  async remove(_ruleset: Ruleset): Promise<void> {
    this.flush();
    this.transactions.push({ kind: "remove", elements: 0 });
  }

  /** `nft flush ruleset`, by whomever. */
  flush(): void {
    this.#ruleset = undefined;
    this.#elements = new Map();
  }

  /** Somebody deletes one element by hand. */
  tamper(set: string): void {
    const copy = new Map(this.#elements);
    const [first] = copy.get(set)?.keys() ?? [];
    copy.set(set, new Map([...(copy.get(set) ?? [])].filter(([key]) => key !== first)));
    this.#elements = copy;
  }

  elements(): NftElement[] {
    return [...this.#elements.values()].flatMap((set) => [...set.values()]);
  }

  transcript(): string[] {
    return this.#ruleset === undefined ? [] : ["table inet fairway", ...elementLines(this.elements())];
  }
}

/** Sorted lines like those of `nft list`. */
export function elementLines(elements: readonly NftElement[]): string[] {
  return elements.map(elementText).sort();
}

export function elementText(element: NftElement): string {
  return remember(texts, element, renderElement);
}

const texts = new WeakMap<NftElement, string>();
const numbers = new Map<string, bigint>();

function renderElement({ set, key, data }: NftElement): string {
  const value = data === undefined ? "" : ` : ${Array.isArray(data) ? data.join(" . ") : verdictText(data)}`;
  return `element ${set} { ${key.map(fieldText).join(" . ")}${value} }`;
}

export function verdictText(verdict: unknown): string {
  return typeof verdict === "object"
    ? Object.entries(verdict ?? {})
        .flat()
        .join(" ")
    : String(verdict);
}

function fieldText(field: NftField): string {
  return typeof field === "object" ? `${field.from}-${field.to}` : String(field);
}

function setsOf(ruleset: Ruleset): ReadonlyMap<string, NftSet> {
  return new Map(ruleset.tables.flatMap(({ sets }) => sets.map((set) => [set.name, set])));
}

function chainNames(ruleset: Ruleset): ReadonlySet<string> {
  return new Set(ruleset.tables.flatMap(({ chains }) => chains.map(({ name }) => name)));
}

/** The elements after the change, or an error and nothing changed. Removals come first. */
function changed(
  before: Elements,
  change: ElementChange,
  sets: ReadonlyMap<string, NftSet>,
  chains: ReadonlySet<string>,
): Elements {
  const after = new Map(before);
  const own = new Set<string>();
  const open = (name: string): Map<string, NftElement> => {
    const copy = own.has(name) ? (after.get(name) as Map<string, NftElement>) : new Map(after.get(name));
    own.add(name);
    after.set(name, copy);
    return copy;
  };
  for (const element of change.remove) {
    checkElement(element, sets, chains);
    if (!open(element.set).delete(keyText(element))) {
      throw new KernelError("change elements", "ENOENT", elementText(element));
    }
  }
  for (const element of change.add) {
    const set = checkElement(element, sets, chains);
    const content = open(element.set);
    const isThere = content.has(keyText(element)) || (set.interval === true && overlapsAny(element, content));
    if (isThere) {
      throw new KernelError("change elements", "EEXIST", elementText(element));
    }
    content.set(keyText(element), element);
  }
  return after;
}

function keyText({ key }: NftElement): string {
  return key.map(fieldText).join(" . ");
}

function overlapsAny(element: NftElement, content: ReadonlyMap<string, NftElement>): boolean {
  return content.values().some((other) => keysOverlap(element, other));
}

/** Two keys of ranges overlap when every field does. */
export function keysOverlap(a: NftElement, b: NftElement): boolean {
  return a.key.every((field, index) => fieldsOverlap(field, b.key[index] ?? 0));
}

function fieldsOverlap(a: NftField, b: NftField): boolean {
  return scalar(lowest(a)) <= scalar(highest(b)) && scalar(lowest(b)) <= scalar(highest(a));
}

function lowest(field: NftField): NftScalar {
  return typeof field === "object" ? field.from : field;
}

function highest(field: NftField): NftScalar {
  return typeof field === "object" ? field.to : field;
}

function scalar(value: NftScalar): bigint {
  if (typeof value === "number") {
    return BigInt(value);
  }
  return remember(numbers, value, textToNumber);
}

function textToNumber(value: string): bigint {
  const isAddress = isIPv4(value) || isIPv6(value);
  return isAddress ? toBigInt(value as IpAddress) : BigInt(`0x${Buffer.from(value).toString("hex").padEnd(32, "0")}`);
}

function checkElement(element: NftElement, sets: ReadonlyMap<string, NftSet>, chains: ReadonlySet<string>): NftSet {
  const set = sets.get(element.set);
  if (set === undefined) {
    throw new Error(`no set ${element.set} in the ruleset`);
  }
  const bad = keyProblem(set, element.key) ?? dataProblem(set, element.data, chains);
  if (bad !== undefined) {
    throw new Error(`${elementText(element)}: ${bad}`);
  }
  return set;
}

function keyProblem(set: NftSet, key: readonly NftField[]): string | undefined {
  if (key.length !== set.key.length) {
    return `the key has ${key.length} fields, the set ${set.key.length}`;
  }
  if (set.interval !== true && key.some((field) => typeof field === "object")) {
    return "the set takes no ranges";
  }
  const bad = key.findIndex((field, index) => {
    const type = set.key[index];
    const isRange = typeof field === "object" && scalar(field.from) > scalar(field.to);
    return isRange || !fits(type, lowest(field)) || !fits(type, highest(field));
  });
  return bad < 0 ? undefined : `field ${bad + 1} is no ${set.key[bad]}`;
}

function dataProblem(set: NftSet, data: NftElement["data"], chains: ReadonlySet<string>): string | undefined {
  if (set.data === undefined || data === undefined) {
    return set.data === data ? undefined : "data where the set has none, or the reverse";
  }
  if (set.data === "verdict") {
    return isVerdict(data, chains) ? undefined : "data is no verdict";
  }
  const types = set.data;
  const values: readonly NftScalar[] = isScalars(data) ? data : [];
  const isFine = values.length === types.length && values.every((value, index) => fits(types[index], value));
  return isFine ? undefined : `data is no ${types.join(" . ")}`;
}

function isVerdict(data: NonNullable<NftElement["data"]>, chains: ReadonlySet<string>): boolean {
  if (isScalars(data)) {
    return false;
  }
  return typeof data === "string" || Object.values(data).every((chain) => chains.has(chain));
}

function isScalars(data: NonNullable<NftElement["data"]>): data is readonly NftScalar[] {
  return Array.isArray(data);
}

function fits(type: NftType | undefined, value: NftScalar): boolean {
  switch (type) {
    case "ipv4_addr":
      return typeof value === "string" && isIPv4(value);
    case "ipv6_addr":
      return typeof value === "string" && isIPv6(value) && parseIpAddress(value) === value;
    case "inet_proto":
      return value === "tcp" || value === "udp" || value === "sctp";
    case "inet_service":
      return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
    case "ifname":
      return typeof value === "string" && isIfName(value);
    default:
      return false;
  }
}
