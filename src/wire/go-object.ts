import { z } from "zod";

/**
 * An object as Go's encoding/json reads one, since engines are free to write what that accepts: keys in any case, the
 * last of equal keys wins, null means absent, unknown keys are ignored.
 */
export function goObject<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  const nameByKey = new Map(names.flatMap((name) => [[name, name] as const, [name.toLowerCase(), name] as const]));
  return z.preprocess((value) => fold(value, nameByKey), z.object(shape));
}

function fold(value: unknown, nameByKey: ReadonlyMap<string, string>): unknown {
  if (value === null || value === undefined) {
    return {};
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    return value;
  }
  const known: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    // Engines write the names as they are; folding every key of a thousand ports shows.
    const name = nameByKey.get(key) ?? nameByKey.get(key.toLowerCase());
    const field = (value as Readonly<Record<string, unknown>>)[key];
    if (name !== undefined && field !== null) {
      known[name] = field;
    }
  }
  return known;
}
