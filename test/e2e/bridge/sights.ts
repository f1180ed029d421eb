/** What can be seen of a network from a host, a container or a client. */
import assert from "node:assert/strict";
import path from "node:path";
import type { LabHost } from "../../lab/host.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import type { Place } from "../../lab/space.ts";

const CHECKOUT = path.join(import.meta.dirname, "../../..");

export interface LinkSight {
  readonly ifname: string;
  readonly mtu: number;
  readonly address: string;
  readonly master?: string;
  readonly ifalias?: string;
}

export async function linkOf(place: Place, name: string): Promise<LinkSight> {
  const [link] = JSON.parse(await place.exec(["ip", "-j", "link", "show", "dev", name])) as LinkSight[];
  assert.ok(link);
  return link;
}

/** Global addresses with their prefix lengths, sorted. */
export async function addressesOn(place: Place, name: string): Promise<string[]> {
  interface Addresses {
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[];
  }
  const [link] = JSON.parse(await place.exec(["ip", "-j", "addr", "show", "dev", name])) as Addresses[];
  const global = link?.addr_info.filter(({ scope }) => scope === "global") ?? [];
  return global.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort();
}

/** "default via GATEWAY dev NAME", IPv4 first. */
export async function defaultRoutes(place: Place): Promise<string[]> {
  interface Route {
    readonly gateway?: string;
    readonly dev: string;
  }
  const listings = await Promise.all(
    ["-4", "-6"].map((family) => place.exec(["ip", family, "-j", "route", "show", "default"])),
  );
  return listings
    .flatMap((listing) => JSON.parse(listing || "[]") as Route[])
    .map(({ gateway, dev }) => `default via ${gateway} dev ${dev}`);
}

/** The interface that carries a network, found by its mark. */
export async function bridgeOf(host: LabHost, network: string): Promise<string> {
  const id = await host.docker("network", "inspect", "-f", "{{.Id}}", network);
  const links = JSON.parse(await host.exec(["ip", "-j", "link"])) as LinkSight[];
  const found = links.find(({ ifalias }) => ifalias === `fairway:network:${id}`);
  assert.ok(found, `bridge of ${network}`);
  return found.ifname;
}

const RESOLVE = `
  const { Resolver } = require("node:dns").promises;
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers(["127.0.0.11"]);
  const name = process.argv[1];
  Promise.all([resolver.resolve4(name).catch(() => []), resolver.resolve6(name).catch(() => [])])
    .then((found) => console.log(JSON.stringify(found.flat())));`;

/** Addresses that the engine's resolver gives a container for a name, IPv4 first. */
export async function resolve(container: Place, name: string): Promise<string[]> {
  return JSON.parse(await container.exec([process.execPath, "-e", RESOLVE, name])) as string[];
}

export interface PortSight {
  readonly protocol: string;
  readonly hostAddress: string;
  readonly hostPortFirst: number;
  readonly hostPortLast: number;
  readonly containerAddress: string;
  readonly containerPort: number;
}

export interface StatusSight {
  readonly settings: readonly { readonly name: string; readonly was: string; readonly now: string }[];
  readonly networks: readonly {
    readonly name?: string;
    readonly endpoints: readonly {
      readonly container?: string;
      readonly ipv4?: string;
      readonly ports: readonly PortSight[];
    }[];
  }[];
}

export async function statusOf(host: LabHost): Promise<StatusSight> {
  const fairway = path.join(CHECKOUT, "bin/fairway");
  return JSON.parse(await host.exec([fairway, "status", "--run-dir", "/run/fairway", "--json"])) as StatusSight;
}

/** Published ports of the container with this address. */
export async function portsOf(host: LabHost, ipv4: string): Promise<readonly PortSight[]> {
  const status = await statusOf(host);
  const endpoints = status.networks.flatMap(({ endpoints: all }) => all);
  return endpoints.find((endpoint) => endpoint.ipv4 === ipv4)?.ports ?? [];
}

/** Elements of those sets and maps of the driver whose names begin so, as "set key" in nft's JSON. */
export async function elementsOf(host: LabHost, set: string): Promise<string[]> {
  return (await snapshotOurs(host)).elements.filter((element) => element.startsWith(set));
}

/** Fields of the driver's last log line about this call of the engine. */
export function lastCall(host: LabHost, method: string): { readonly outcome?: string; readonly durationMs?: number } {
  const lines = host
    .driverLog()
    .split("\n")
    .filter((line) => line.includes(`"method":"${method}"`));
  return JSON.parse(lines.at(-1) ?? "{}") as { outcome?: string; durationMs?: number };
}

/** One echo request with so many bytes after the ICMP header. busybox is what the lab needs anyway. */
export async function ping(from: Place, to: string, bytes = 56): Promise<boolean> {
  const argv = ["busybox", "ping", "-c", "1", "-W", "2", "-s", String(bytes), to];
  return (await from.tryExec(argv)).code === 0;
}
