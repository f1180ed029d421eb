import { createHash } from "node:crypto";
import type { Mac } from "./ids.ts";

/**
 * A locally administered unicast address that depends on the seeds alone, so that a restarted daemon (and a later
 * version) gives the same interface the same address. 46 bits of SHA-256; two networks share one by accident only.
 * @param seeds in order; ("ab", "c") and ("a", "bc") differ.
 */
export function deriveMac(...seeds: readonly string[]): Mac {
  const digest = createHash("sha256").update(JSON.stringify(seeds)).digest();
  // IEEE 802, clause 8: the lowest bit of the first byte marks groups, the next one local administration.
  const first = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return [first, ...digest.subarray(1, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":") as Mac;
}
