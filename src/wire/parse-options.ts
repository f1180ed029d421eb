import { FairwayError } from "../errors.ts";
import { labels } from "./labels.ts";

type Options = Readonly<Record<string, unknown>>;

/** The entries that are text; an engine adds others for itself, and a newer one more of them. */
export function textualOptions(options: Options): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(options)) {
    if (typeof value === "string") {
      texts.set(key, value);
    }
  }
  return texts;
}

/** @throws FairwayError FW5001 if there is no map, FW1002 for an option that is no text. */
export function parseGenericOptions(options: Options): ReadonlyMap<string, string> {
  const generic = options[labels.generic] ?? {};
  if (typeof generic !== "object" || Array.isArray(generic)) {
    throw new FairwayError({ code: "FW5001", what: "the network's options are not a map" });
  }
  const texts = textualOptions({ ...generic });
  // Left out, it could silently switch a protection off.
  const odd = Object.keys(generic).find((key) => !texts.has(key));
  if (odd !== undefined) {
    const what = `option ${JSON.stringify(odd.slice(0, 60))} has a value that is not text`;
    throw new FairwayError({ code: "FW1002", what });
  }
  return texts;
}

/** Endpoint options stand beside the engine's own, not in a map of theirs. */
export function parseDriverOptions(options: Options): ReadonlyMap<string, string> {
  const texts = textualOptions(options);
  for (const key of Object.values(labels)) {
    texts.delete(key);
  }
  return texts;
}

/** Undefined: the engine did not say. */
export function parseFlag(value: unknown): boolean | undefined {
  if (value === true || value === "true") {
    return true;
  }
  return value === false || value === "false" ? false : undefined;
}
