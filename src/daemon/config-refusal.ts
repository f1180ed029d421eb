/** Turns what zod says about a section into one sentence: where, what was there, what is wanted. */
import { z } from "zod";
import { quote } from "../options/quote.ts";
import { suggest } from "../options/suggest.ts";

type Schema = z.core.$ZodType;

export interface SectionFault {
  /** As in "bgp.peers[0].as in /etc/fairway/config.json: 0 is not a whole number from 1 to 4294967295". */
  readonly what: string;
  readonly fix?: string;
}

/** @param place names the source, such as " in /etc/fairway/config.json" */
export function faultOf(schema: Schema, name: string, value: unknown, place: string): SectionFault | undefined {
  const result = z.safeParse(schema, value);
  const issue = result.error?.issues[0];
  if (issue === undefined) {
    return undefined;
  }
  const where = `${name}${pathText(issue.path)}`;
  const at = schemaAt(schema, issue.path);
  if (issue.code === "unrecognized_keys") {
    return unknownKey(where, issue.keys[0] ?? "", at, place);
  }
  const shown = valueAt(value, issue.path);
  if (shown === undefined && !isOwnWords(issue)) {
    return { what: `${where}${place} is missing; it is ${descriptionOf(at)}` };
  }
  return {
    what: `${where}${place}${isOwnWords(issue) ? ` ${issue.message}` : `: ${textOf(shown)} is not ${descriptionOf(at)}`}`,
  };
}

/** A check over several values writes its own sentence; a value's own check has a description instead. */
function isOwnWords(issue: z.core.$ZodIssue): boolean {
  return issue.code === "custom" && /^(is|has|needs|contradicts) /.test(issue.message);
}

function unknownKey(where: string, key: string, at: Schema | undefined, place: string): SectionFault {
  const known = at instanceof z.ZodObject ? Object.keys(at.shape) : [];
  const meant = suggest(key, new Map(known.map((name) => [name, name])));
  const question = meant === undefined ? "" : `; did you mean ${meant}?`;
  return {
    what: `setting ${quote(key)} of ${where}${place} is not known${question}`,
    fix: `the settings of ${where.replace(/\[\d+\]$/, "[]")} are: ${known.join(", ")}`,
  };
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
}

function schemaAt(schema: Schema, path: readonly PropertyKey[]): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const step of path) {
    const inner = unwrapped(at);
    at =
      inner instanceof z.ZodArray
        ? inner.element
        : inner instanceof z.ZodObject
          ? inner.shape[String(step)]
          : undefined;
  }
  return unwrapped(at);
}

function unwrapped(schema: Schema | undefined): Schema | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional) {
    return unwrapped(schema.unwrap());
  }
  return schema;
}

export function descriptionOf(schema: Schema | undefined): string {
  return (schema as z.ZodType | undefined)?.description ?? "accepted";
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, step) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, step) ? Reflect.get(at, step) : undefined,
    value,
  );
}

export function textOf(value: unknown): string {
  if (typeof value === "string") {
    return quote(value);
  }
  return typeof value === "number" || value === null
    ? String(value)
    : `a JSON ${Array.isArray(value) ? "array" : typeof value}`;
}
