import { createLogger as createWinston, format, type Logger, transports } from "winston";
import { printable } from "./errors.ts";

export type { Logger } from "winston";

export const logLevels = ["error", "warn", "info", "verbose", "debug", "silly"] as const;
export type LogLevel = (typeof logLevels)[number];
/** json: one object per line, for a collector. pretty: for a person at a terminal. */
export type LogFormat = "json" | "pretty";

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Standard output unless given. */
  readonly stream?: NodeJS.WritableStream;
}

/** Messages are constant text and values are fields, so that no value can forge a line. */
export function createLogger({ level, format: layout, stream = process.stdout }: LogOptions): Logger {
  // A collector that goes away must not take the daemon along.
  stream.on("error", () => undefined);
  const render = layout === "json" ? renderJson : renderPretty;
  return createWinston({
    level,
    // The transport formats what its level lets through; the logger would format every line, and then drop most.
    format: format((line) => line)(),
    transports: [
      new transports.Stream({ stream, format: format.printf((line) => render(new Date().toISOString(), line)) }),
    ],
  });
}

type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly message: unknown };

function renderJson(time: string, { level, message, ...fields }: Line): string {
  const text = JSON.stringify({ time, level, msg: message, ...fields });
  // JSON leaves DEL, C1 controls and line separators as they are; terminals and log readers do not.
  return text.replace(/[\u007f-\u009f\u2028\u2029]/g, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function renderPretty(time: string, { level, message, ...fields }: Line): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${printable(key)}=${renderValue(value)}`);
  return [time.slice(11, 23), level.padEnd(5), printable(String(message)), ...pairs].join(" ");
}

function renderValue(value: unknown): string {
  const isWord = typeof value === "string" && /^[\w.:/-]+$/.test(value);
  return isWord ? value : printable(JSON.stringify(value) ?? "undefined");
}
