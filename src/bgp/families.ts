import { type Family, familyOf, type Prefix } from "../model/ip.ts";

export const families = ["ipv4", "ipv6"] as const satisfies readonly Family[];

/** As it ends names: fairway_learn4, fairway_learn6. */
export function digitOf(family: Family): "4" | "6" {
  return family === "ipv4" ? "4" : "6";
}

export function ofFamily(prefixes: readonly Prefix[], family: Family): readonly Prefix[] {
  return prefixes.filter((prefix) => familyOf(prefix) === family);
}
