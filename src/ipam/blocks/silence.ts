/** How long a host has not agreed with the store. Pure: the clocks are read by the caller. */
import type { HostIdentity } from "../../model/block.ts";

export interface Clocks {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds since the host was started, sleep included. */
  uptimeMs(): number;
  /** Another one after each start of the host. */
  readonly bootId: string;
}

/**
 * Infinity: it cannot be told. Within one run of the host both clocks count, and the longer time is believed. After a
 * restart only the wall clock is left, and one that shows less than it did before is not believed at all.
 */
export function silenceMs({ contact, seenWallMs }: HostIdentity, clocks: Clocks): number {
  if (contact === undefined) {
    return Number.POSITIVE_INFINITY;
  }
  const wallMs = clocks.wallMs();
  if (contact.bootId === clocks.bootId) {
    return Math.max(wallMs - contact.wallMs, clocks.uptimeMs() - contact.uptimeMs, 0);
  }
  return wallMs < contact.wallMs || wallMs < seenWallMs ? Number.POSITIVE_INFINITY : wallMs - contact.wallMs;
}
