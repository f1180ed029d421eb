import { z } from "zod";

/**
 * An object as Go's encoding/json reads one, since engines are free to write what that accepts: keys in any case, the
 * last of equal keys wins, null means absent, unknown keys are ignored.
 */
export function goObject<Shape extends z.ZodRawShape>(shape: Shape) {
  const nameByFoldedKey = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  return z.preprocess((value) => fold(value, nameByFoldedKey), z.object(shape));
}

function fold(value: unknown, nameByFoldedKey: ReadonlyMap<string, string>): unknown {
  if (value === null || value === undefined) {
    return {};
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    return value;
  }
  const known = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    const name = nameByFoldedKey.get(key.toLowerCase());
    if (name !== undefined && field !== null) {
      known.set(name, field);
    }
  }
  return Object.fromEntries(known);
}
