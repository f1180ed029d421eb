import type { Family } from "../model/ip.ts";

/** Sets and maps of one family end with its digit. */
export function familyDigit(family: Family): "4" | "6" {
  return family === "ipv4" ? "4" : "6";
}
