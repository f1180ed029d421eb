/** Turns the key-value pairs of a user into typed values, by a catalogue. */
import { FairwayError } from "../errors.ts";
import {
  endpointCatalog,
  type Mode,
  networkCatalog,
  type OptionEntries,
  type OptionEntry,
  type OptionScope,
} from "./catalog.ts";
import { quote } from "./quote.ts";
import { type StandardKey, standardKeys, standardPrefix } from "./standard-keys.ts";
import { suggest } from "./suggest.ts";

type Given = ReadonlyMap<string, string>;

interface Reading {
  readonly key: string;
  readonly text: string;
  readonly value: unknown;
}

/**
 * Values by short key; options that were not given have their default value or are absent.
 * @param mode of the network; options of other modes are refused. Absent: any mode's are fine.
 * @throws FairwayError FW1001, FW1002, FW1003, FW1004 about the first key that is wrong.
 */
export function readOptions(given: Given, scope: OptionScope, mode?: Mode): Readonly<Record<string, unknown>> {
  const entries: OptionEntries = scope === "network" ? networkCatalog : endpointCatalog;
  const names = namesOf(entries);
  const readings = new Map<string, Reading>();
  for (const [key, text] of given) {
    const name = names.get(key);
    const entry = name === undefined ? undefined : entries[name];
    if (name === undefined || entry === undefined) {
      checkStandardKey(key, text, scope, names);
      continue;
    }
    refuseOtherModes(key, entry, mode);
    const reading = { key, text, value: readValue(key, text, entry) };
    refuseContradiction(readings.get(name), reading);
    readings.set(name, reading);
  }
  return Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, readings.get(name)?.value ?? defaultOf(entry)]),
  );
}

/** Ignored, it would be a promise not kept. */
function refuseOtherModes(key: string, entry: OptionEntry, mode: Mode | undefined): void {
  if (mode !== undefined && !entry.modes.includes(mode)) {
    throw new FairwayError({
      code: "FW1003",
      what: `option ${key} has no meaning with mode=${mode}`,
      why: `it belongs to mode=${entry.modes.join(", mode=")}`,
      fix: `leave out ${key}, or choose that mode`,
    });
  }
}

function defaultOf(entry: OptionEntry): unknown {
  return "value" in entry.default ? entry.value.parse(entry.default.value) : undefined;
}

/** Every accepted spelling of every option, to its short key. */
function namesOf(entries: OptionEntries): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(entries).flatMap(([name, entry]) => [name, ...entry.aliases].map((spelling) => [spelling, name])),
  );
}

function readValue(key: string, text: string, entry: OptionEntry): unknown {
  const result = entry.value.safeParse(text);
  if (result.success) {
    return result.data;
  }
  const { description } = entry.value;
  const reason = result.error.issues[0]?.message ?? description;
  throw new FairwayError({
    code: "FW1002",
    what: `option ${key}: ${quote(text)} is not ${description}`,
    ...(reason === undefined || reason === description ? {} : { why: reason }),
    fix: `write it like ${entry.example}`,
  });
}

function refuseContradiction(earlier: Reading | undefined, reading: Reading): void {
  if (earlier === undefined || JSON.stringify(earlier.value) === JSON.stringify(reading.value)) {
    return;
  }
  throw new FairwayError({
    code: "FW1003",
    what: `options ${earlier.key}=${quote(earlier.text)} and ${reading.key}=${quote(reading.text)} contradict each other`,
    why: "both names mean the same option",
    fix: "keep one of them",
  });
}

function checkStandardKey(key: string, text: string, scope: OptionScope, names: ReadonlyMap<string, string>): void {
  const standard = standardKeys.find((candidate) => candidate.key === key && candidate.scope === scope);
  if (standard !== undefined) {
    standard.check?.(text);
    return;
  }
  // A newer engine may send keys of its own with every endpoint; a container must start all the same.
  const fromNewerEngine =
    scope === "endpoint" && key.startsWith(standardPrefix) && similar(key, names, scope) === undefined;
  if (!fromNewerEngine) {
    throw unknownOption(key, scope, names);
  }
}

function unknownOption(key: string, scope: OptionScope, names: ReadonlyMap<string, string>): FairwayError {
  const meant = misplaced(key, scope) ?? similar(key, names, scope);
  const isStandard = key.startsWith(standardPrefix);
  return new FairwayError({
    code: "FW1001",
    what: `${scope} option ${quote(key)} is not known${meant === undefined ? "" : `; ${meant}`}`,
    why: isStandard
      ? "another driver may act on this key, fairway does not, and an ignored option would be a promise not kept"
      : "an ignored option would be a promise not kept",
    fix: `the ${scope} options are: ${[...new Set(names.values())].join(", ")}`,
  });
}

/** An option of the other scope: right word, wrong command. */
function misplaced(key: string, scope: OptionScope): string | undefined {
  const other = scope === "network" ? endpointCatalog : networkCatalog;
  const known = namesOf(other).has(key) || standardKeys.some((entry) => entry.key === key);
  if (!known) {
    return undefined;
  }
  return scope === "network"
    ? "it belongs to a container's connection, as in docker network connect --driver-opt"
    : "it belongs to the network, as in docker network create -o";
}

function similar(key: string, names: ReadonlyMap<string, string>, scope: OptionScope): string | undefined {
  const isStandard = key.startsWith(standardPrefix);
  const standardWord = isStandard ? suggest(key, standardSpellings(names, scope)) : undefined;
  const word = standardWord ?? suggest(isStandard ? key.slice(standardPrefix.length) : key, shortSpellings(names));
  return word === undefined ? undefined : `did you mean ${word}?`;
}

function standardSpellings(names: ReadonlyMap<string, string>, scope: OptionScope): ReadonlyMap<string, string> {
  const own = [...names.keys()].filter((name) => name.startsWith(standardPrefix));
  const others = standardKeys.filter((entry: StandardKey) => entry.scope === scope).map((entry) => entry.key);
  return new Map([...own, ...others].map((key) => [key, key]));
}

/** Short keys, and the last words of standard names: enable_icc means icc. */
function shortSpellings(names: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const spellings = new Map<string, string>();
  for (const name of new Set(names.values())) {
    spellings.set(name, name);
  }
  for (const [spelling, name] of names) {
    const lastWord = spelling.slice(spelling.lastIndexOf(".") + 1);
    if (!spellings.has(lastWord)) {
      spellings.set(lastWord, name);
    }
  }
  return spellings;
}
