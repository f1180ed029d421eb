import { type Prefix, parseIpAddress, prefixContains } from "../../src/model/ip.ts";
import type { Place } from "./space.ts";

/** Connections that the kernel of the place remembers and that have an address of these subnets, as conntrack(8) prints them. */
export async function flowsOf(place: Place, subnets: readonly Prefix[]): Promise<string[]> {
  const listings = await Promise.all(["ipv4", "ipv6"].map((family) => place.exec(["conntrack", "-L", "-f", family])));
  return listings
    .flatMap((listing) => listing.split("\n"))
    .filter((line) => addressesIn(line).some((address) => subnets.some((subnet) => prefixContains(subnet, address))));
}

function addressesIn(line: string) {
  return [...line.matchAll(/\b(?:src|dst)=(\S+)/g)].map(([, text = ""]) => parseIpAddress(text));
}
