/** What tests of mode routed share: how to make a network, what a router knows, and what can be seen of the routes. */
import assert from "node:assert/strict";
import path from "node:path";
import type { LabHost } from "../../lab/host.ts";
import type { LanClient } from "../../lab/lan.ts";
import type { Place } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Box, BridgeRig } from "../bridge/rig.ts";

const FAIRWAY = path.join(import.meta.dirname, "../../../bin/fairway");

export const ROUTED = ["-o", "mode=routed"];

/** "7" stands for 10.20.7.0/24 and fd00:20:7::/64, which `teach` covers. */
export function subnets(number: number): string[] {
  return ["--subnet", `10.20.${number}.0/24`, "--ipv6", "--subnet", `fd00:20:${number}::/64`];
}

export async function routedNetwork(rig: BridgeRig, name: string, number: number, ...args: string[]): Promise<void> {
  await rig.network(name, ...ROUTED, ...subnets(number), ...args);
}

/** What a router would know: where the subnets are. */
export async function teach(rig: BridgeRig, client: LanClient = rig.client): Promise<void> {
  await client.exec(["ip", "route", "replace", "10.20.0.0/16", "via", rig.ipv4]);
  await client.exec(["ip", "-6", "route", "replace", "fd00:20::/32", "via", rig.ipv6]);
}

/** Destinations of the host's routes that are ours, each with where it leads: "10.20.0.2 fwv… 9910", sorted. */
export async function ourRoutes(host: LabHost): Promise<string[]> {
  const listings = await Promise.all(
    ["-4", "-6"].map((family) => host.exec(["ip", family, "-d", "-j", "route", "show", "proto", "143"])),
  );
  const routes = listings.flatMap((listing) => JSON.parse(listing || "[]") as RouteJson[]);
  return routes
    .map(({ dst, type, dev, metric }) => `${dst} ${type === "unreachable" ? type : (dev ?? "?")} ${metric}`)
    .sort();
}

interface RouteJson {
  readonly dst: string;
  readonly type: string;
  readonly dev?: string;
  readonly metric: number;
}

/** Routes to single containers, and nothing else. */
export async function routesTo(host: LabHost, ...addresses: readonly string[]): Promise<string[]> {
  return (await ourRoutes(host)).filter((route) => addresses.includes(route.split(" ")[0] ?? ""));
}

/** Host side of a container's pair, by the route to its address. */
export async function pairOf(host: LabHost, address: string): Promise<string> {
  const [route] = await routesTo(host, address);
  assert.ok(route, `route to ${address}`);
  return route.split(" ")[1] ?? "";
}

export async function untilReached(from: Place, to: string, deadlineMs = 15_000): Promise<void> {
  const isReached = async () => (await from.tryExec(["ping", "-n", "-c", "1", "-W", "1", to])).code === 0;
  await waitFor(isReached, deadlineMs, `${from.name} to reach ${to}`);
}

/**
 * Counts segments and datagrams that arrive at a place from these sources, answered or not; not what neighbours of a link
 * tell each other.
 * @returns the sources that have been seen since
 */
export async function watchSources(place: Place, sources: readonly string[]): Promise<() => Promise<string[]>> {
  const rules = sources.map(
    (one) => `${one.includes(":") ? "ip6" : "ip"} saddr ${one} meta l4proto { tcp, udp } counter comment "${one}"`,
  );
  const hook = "type filter hook prerouting priority raw;";
  const chain = ["chain seen {", hook, ...rules, "}"];
  const script = ["table inet seen", "delete table inet seen", "table inet seen {", ...chain, "}", ""];
  await place.exec(["nft", "-f", "-"], { stdin: script.join("\n") });
  return async () => {
    const listing = await place.exec(["nft", "list", "chain", "inet", "seen", "seen"]);
    return [...listing.matchAll(/packets ([1-9]\d*) .*comment "([^"]+)"/g)].map(([, , source = ""]) => source);
  };
}

export async function addAddress(place: Place, device: string, ...addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const options = address.includes(":") ? ["nodad"] : [];
    await place.exec([
      "ip",
      "address",
      "add",
      `${address}/${address.includes(":") ? 128 : 32}`,
      "dev",
      device,
      ...options,
    ]);
  }
}

export async function dropAddress(place: Place, device: string, ...addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await place.exec(["ip", "address", "del", `${address}/${address.includes(":") ? 128 : 32}`, "dev", device]);
  }
}

export function bothOf(box: Box): readonly [string, string] {
  return [box.ipv4, box.ipv6];
}

/** `fairway ports`, `fairway status`: what people read. */
export async function fairway(host: LabHost, ...args: readonly string[]): Promise<string> {
  return await host.exec([FAIRWAY, ...args, "--run-dir", "/run/fairway"]);
}
