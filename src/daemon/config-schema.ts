/** Every setting of the daemon, as data: parser, JSON schema, flags and docs/configuration.md are made from it. */
import { z } from "zod";
import { type Sections, sections } from "./config-sections.ts";

// sun_path holds 108 bytes, the last one for NUL (unix(7)); ASCII keeps characters and bytes the same.
const socketPath = z
  .string()
  .regex(/^(\/[!-.0-~]+)+$/)
  .max(107)
  .describe("an absolute path of at most 107 printable ASCII characters");

const directoryPath = z
  .string()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must not be there
  .regex(/^(\/[^/\u0000-\u001f\u007f]+)+$/)
  .max(255)
  .describe("an absolute path without a slash at its end");

const dockerHost = z
  .string()
  .regex(/^(none|unix:\/\/(\/[!-.0-~]+)+)$/)
  .max(114)
  .describe("unix:// with an absolute path, or none");

export const logLevels = ["error", "warn", "info", "debug"] as const;
export const logFormats = ["json", "pretty", "auto"] as const;

export type LogLevel = (typeof logLevels)[number];
export type LogFormat = (typeof logFormats)[number];

export interface Setting {
  readonly value: z.ZodType<string, string>;
  readonly fallback: string;
  /** One line for the reference. */
  readonly doc: string;
  /** What the command line help shows as the value. */
  readonly placeholder: string;
}

export const settings = {
  pluginSocket: {
    value: socketPath,
    fallback: "/run/docker/plugins/fairway.sock",
    doc: "Socket where the engine finds the driver. The file name is the driver's name.",
    placeholder: "path",
  },
  stateDir: {
    value: directoryPath,
    fallback: "/var/lib/fairway",
    doc: "Directory of what must survive a reboot. Keep it on a local disk.",
    placeholder: "path",
  },
  runDir: {
    value: directoryPath,
    fallback: "/run/fairway",
    doc: "Directory of what must not survive a reboot: the control socket.",
    placeholder: "path",
  },
  logLevel: {
    value: z.enum(logLevels).describe(`one of ${logLevels.join(", ")}`),
    fallback: "info",
    doc: "The least severe messages that are written.",
    placeholder: logLevels.join("|"),
  },
  logFormat: {
    value: z.enum(logFormats).describe(`one of ${logFormats.join(", ")}`),
    fallback: "auto",
    doc: "`json` is one object per line, `pretty` is for people, `auto` is `pretty` on a terminal and `json` elsewhere.",
    placeholder: logFormats.join("|"),
  },
  dockerHost: {
    value: dockerHost,
    fallback: "unix:///var/run/docker.sock",
    doc: "The engine's API, asked in the background for container names, and for health checks where a network says `announce=healthy`. `none` switches it off.",
    placeholder: "url",
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof settings;
export type FlatConfig = { readonly [K in SettingName]: z.output<(typeof settings)[K]["value"]> };
export type Config = FlatConfig & Sections;

export const settingNames = Object.keys(settings) as readonly SettingName[];

/** logLevel is --log-level on the command line. */
export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** logLevel is FAIRWAY_LOG_LEVEL in the environment. */
export function environmentNameOf(name: SettingName): string {
  return `FAIRWAY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The configuration file: any of the settings, the sections, comments under "//", and the schema's place for editors. */
export const configFileSchema = z.strictObject({
  $schema: z.string().optional(),
  "//": z.unknown().optional(),
  ...optionalSettings(),
  flatSpace: sections.flatSpace.default([]),
  cluster: sections.cluster.optional(),
  bgp: sections.bgp.optional(),
});

function optionalSettings(): { [K in SettingName]: z.ZodOptional<(typeof settings)[K]["value"]> } {
  const shape = settingNames.map((name) => {
    const { value, doc, fallback } = settings[name];
    return [name, value.meta({ description: doc, default: fallback }).optional()];
  });
  return Object.fromEntries(shape);
}
