/** Where the daemon's settings come from: flags, then environment, then configuration file, then defaults. */
import { FairwayError } from "../errors.ts";
import { quote } from "../options/quote.ts";
import { suggest } from "../options/suggest.ts";
import { faultOf } from "./config-refusal.ts";
import {
  type Config,
  configFileSchema,
  environmentNameOf,
  flagOf,
  type SettingName,
  settingNames,
  settings,
} from "./config-schema.ts";
import { type Sections, sectionNames, sections } from "./config-sections.ts";

export const defaultConfigPath = "/etc/fairway/config.json";
const environmentPrefix = "FAIRWAY_";
const configEnvironmentName = `${environmentPrefix}CONFIG`;

export interface ConfigSources {
  /** By setting name, plus `config` for the file's path; others are left alone. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** An empty variable counts as absent: plugin manifests and unit files cannot leave one out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined when there is no such file; throws when it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
}

/** Settings of one source, with the words that lead a user to each. */
interface Layer {
  readonly values: Readonly<Record<string, unknown>>;
  readonly placeOf: (name: SettingName) => string;
}

/** @throws FairwayError FW2005 naming source and key. Values that another source overrides are judged as well. */
export function resolveConfig(sources: ConfigSources): Config {
  refuseMisspelled(sources.env);
  const file = fileLayer(sources);
  const layers = [flagLayer(sources.flags), environmentLayer(sources.env), file];
  for (const layer of layers) {
    checkLayer(layer);
  }
  const entries = settingNames.map((name) => [name, firstValue(layers, name) ?? settings[name].fallback]);
  return { ...Object.fromEntries(entries), ...sectionsOf(file) };
}

/** A section has one source, the file: what it holds is too much for a flag. */
function sectionsOf({ values, place }: FileLayer): Sections {
  for (const name of sectionNames) {
    const fault = values[name] === undefined ? undefined : faultOf(sections[name], name, values[name], place);
    if (fault !== undefined) {
      throw refused(fault.what, fault.fix ?? "docs/configuration.md shows an example");
    }
  }
  const { cluster, bgp, flatSpace } = values;
  return {
    flatSpace: sections.flatSpace.parse(flatSpace ?? []),
    ...(cluster === undefined ? {} : { cluster: sections.cluster.parse(cluster) }),
    ...(bgp === undefined ? {} : { bgp: sections.bgp.parse(bgp) }),
  };
}

function firstValue(layers: readonly Layer[], name: SettingName): unknown {
  return layers.map((layer) => layer.values[name]).find((value) => value !== undefined);
}

function flagLayer(flags: ConfigSources["flags"]): Layer {
  return { values: flags, placeOf: (name) => `flag ${flagOf(name)}` };
}

function environmentLayer(env: ConfigSources["env"]): Layer {
  const values = settingNames.map((name) => [name, env[environmentNameOf(name)] || undefined]);
  return { values: Object.fromEntries(values), placeOf: (name) => `environment variable ${environmentNameOf(name)}` };
}

interface FileLayer extends Layer {
  /** What follows the name of a setting in an error. */
  readonly place: string;
}

function fileLayer(sources: ConfigSources): FileLayer {
  const path = configPath(sources);
  const text = readText(path ?? defaultConfigPath, sources.readFile);
  if (text === undefined && path !== undefined) {
    throw refused(`configuration file ${quote(path)} does not exist`, "create the file, or name another with --config");
  }
  const values = text === undefined ? {} : parseFile(text, path ?? defaultConfigPath);
  const place = ` in ${path ?? defaultConfigPath}`;
  return { values, place, placeOf: (name) => `${name}${place}` };
}

/** The path somebody asked for; undefined leaves the default, which may be absent. */
function configPath({ flags, env }: ConfigSources): string | undefined {
  const flag = flags["config"];
  return typeof flag === "string" ? flag : env[configEnvironmentName] || undefined;
}

function readText(path: string, readFile: ConfigSources["readFile"]): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    throw refused(`configuration file ${quote(path)} cannot be read: ${messageOf(error)}`, undefined, error);
  }
}

function parseFile(text: string, path: string): Readonly<Record<string, unknown>> {
  const document = parseJson(text, path);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw refused(`configuration file ${path} is not a JSON object`, `begin it with { and write "logLevel": "info"`);
  }
  const known = Object.keys(configFileSchema.shape);
  const unknown = Object.keys(document).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw unknownKey(unknown, path);
  }
  return { ...document };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refused(
      `configuration file ${path} is not JSON: ${messageOf(error)}`,
      'comments go under the key "//"',
      error,
    );
  }
}

function unknownKey(key: string, path: string): FairwayError {
  const names = [...settingNames, ...sectionNames];
  const meant = suggest(key, new Map(names.map((name) => [name, name])));
  const question = meant === undefined ? "" : `; did you mean ${meant}?`;
  return refused(`setting ${quote(key)} in ${path} is not known${question}`, `the settings are: ${names.join(", ")}`);
}

/** A misspelled variable would be ignored otherwise; names unlike any of ours belong to somebody else. */
function refuseMisspelled(env: ConfigSources["env"]): void {
  const known = [...settingNames.map(environmentNameOf), configEnvironmentName];
  const tails = new Map(known.map((name) => [name.slice(environmentPrefix.length), name]));
  for (const name of Object.keys(env)) {
    if (!name.startsWith(environmentPrefix) || known.includes(name)) {
      continue;
    }
    const meant = suggest(name.slice(environmentPrefix.length), tails, 2);
    if (meant !== undefined) {
      throw refused(`environment variable ${quote(name)} is not known; did you mean ${meant}?`, "rename or unset it");
    }
  }
}

function checkLayer({ values, placeOf }: Layer): void {
  for (const name of settingNames) {
    const value = values[name];
    const schema = settings[name].value;
    if (value !== undefined && !schema.safeParse(value).success) {
      const shown =
        typeof value === "string" ? quote(value) : `a JSON ${Array.isArray(value) ? "array" : typeof value}`;
      throw refused(
        `${placeOf(name)}: ${shown} is not ${schema.description}`,
        `write a value like ${settings[name].fallback}`,
      );
    }
  }
}

function refused(what: string, fix?: string, cause?: unknown): FairwayError {
  return new FairwayError({ code: "FW2005", what, ...(fix === undefined ? {} : { fix }), cause });
}

/** Parser messages quote the file, which may be any file that --config names. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 120);
}
