import { FairwayError } from "../errors.ts";

/** Protocol requests nest at most five deep. */
const depthLimit = 32;
/** Keys that reach an object's prototype when a careless copy meets them. */
const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
// A byte order mark is kept, so that JSON.parse refuses it as Go does.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The content of a request body, or undefined if it has none.
 *
 * @throws FairwayError FW5001 for anything but well-formed UTF-8 JSON of sane depth, without keys that could reach a prototype.
 */
export function decode(body: Uint8Array): unknown {
  const text = decodeText(body);
  if (text.trim() === "") {
    return undefined;
  }
  const content = parseJson(text);
  requireHarmless(content, 0);
  return content;
}

function decodeText(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (cause) {
    throw notUnderstood("the request is not UTF-8 text", cause);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notUnderstood("the request is not JSON", cause);
  }
}

function requireHarmless(value: unknown, depth: number): void {
  if (typeof value === "string") {
    requireWellFormed(value);
  } else if (typeof value === "object" && value !== null) {
    if (depth >= depthLimit) {
      throw notUnderstood(`the request nests deeper than ${depthLimit} levels`);
    }
    for (const [key, field] of Object.entries(value)) {
      requireHarmlessKey(key);
      requireHarmless(field, depth + 1);
    }
  }
}

function requireHarmlessKey(key: string): void {
  requireWellFormed(key);
  if (forbiddenKeys.has(key)) {
    throw new FairwayError({
      code: "FW5001",
      what: `the request holds the key ${JSON.stringify(key)}`,
      why: "no option of any driver is called that",
      fix: "leave it out",
    });
  }
}

function requireWellFormed(text: string): void {
  if (!text.isWellFormed()) {
    throw notUnderstood("the request holds half of a surrogate pair");
  }
}

function notUnderstood(what: string, cause?: unknown): FairwayError {
  return new FairwayError({ code: "FW5001", what, cause });
}
