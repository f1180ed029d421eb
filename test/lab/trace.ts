import type { Place } from "./space.ts";

export interface Trace {
  /** Address of each router on the way, and of the target when it answered; "*" for one that kept silent. */
  readonly hops: readonly string[];
  readonly reached: boolean;
}

/** The way of packets. @param over what they carry. Default icmp. */
export async function trace(from: Place, to: string, over: "icmp" | "udp" = "icmp"): Promise<Trace> {
  const method = over === "icmp" ? "-I" : "-U";
  const output = await from.exec(["traceroute", "-n", "-q", "1", "-w", "1", "-m", "8", method, to]);
  const hops = [...output.matchAll(/^ *\d+ +(\S+)/gm)].map(([, hop = ""]) => hop);
  return { hops, reached: hops.at(-1) === to };
}
