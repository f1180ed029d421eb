import type { Protocol } from "../../model/endpoint.ts";
import { type Family, familyOf, type IpAddress, isUnspecified, toBytes } from "../../model/ip.ts";
import type { FlowFilter } from "../ports.ts";
import type { Flow, FlowPattern } from "./codec.ts";

type HostPortFilter = Extract<FlowFilter, { readonly kind: "hostPort" }>;

const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/**
 * What the kernel can search for by itself; one walk through its table for each. Undefined: more than `limit`.
 *
 * @param filters For IPv4.
 * @param local Addresses of this host. They stand for "any address", because a flow that only passes through the host
 * to the same port number elsewhere has nothing to do with a published port and must survive.
 */
export function patternsOf(
  filters: readonly FlowFilter[],
  local: readonly IpAddress[],
  limit: number,
): FlowPattern[] | undefined {
  const patterns: FlowPattern[] = [];
  for (const filter of filters) {
    const count = filter.kind === "address" ? 4 : filter.last - filter.first + 1;
    if (patterns.length + count > limit) {
      return undefined;
    }
    patterns.push(...(filter.kind === "address" ? addressPatterns(filter.address) : hostPortPatterns(filter, local)));
  }
  return patterns.length > limit ? undefined : patterns;
}

function addressPatterns(address: IpAddress): FlowPattern[] {
  return (["original", "reply"] as const).flatMap((direction) => [
    { direction, source: address },
    { direction, destination: address },
  ]);
}

function hostPortPatterns(filter: HostPortFilter, local: readonly IpAddress[]): FlowPattern[] {
  const protocol = protocolNumbers[filter.protocol];
  const ports = Array.from({ length: filter.last - filter.first + 1 }, (_, offset) => filter.first + offset);
  return destinationsOf(filter, local).flatMap((destination) =>
    ports.map((destinationPort) => ({ direction: "original", destination, protocol, destinationPort }) as const),
  );
}

/** The same search over listed entries. */
export function matcherOf(filters: readonly FlowFilter[], local: readonly IpAddress[]): (flow: Flow) => boolean {
  const addresses = new Set<string>();
  const services: { readonly destinations: ReadonlySet<string>; readonly filter: HostPortFilter }[] = [];
  for (const filter of filters) {
    if (filter.kind === "address") {
      addresses.add(byteKey(toBytes(filter.address)));
    } else {
      services.push({ destinations: new Set(destinationsOf(filter, local).map((at) => byteKey(toBytes(at)))), filter });
    }
  }
  return ({ original, reply }) =>
    [original.source, original.destination, reply.source, reply.destination].some((at) => addresses.has(byteKey(at))) ||
    services.some(
      ({ destinations, filter }) =>
        original.protocol === protocolNumbers[filter.protocol] &&
        isWithin(original.destinationPort, filter) &&
        destinations.has(byteKey(original.destination)),
    );
}

/** True: what these filters match depends on the host's addresses. */
export function needsLocal(filters: readonly FlowFilter[]): boolean {
  return filters.some((filter) => filter.kind === "hostPort" && isUnspecified(filter.address));
}

function destinationsOf(filter: HostPortFilter, local: readonly IpAddress[]): readonly IpAddress[] {
  const family: Family = familyOf(filter.address);
  return isUnspecified(filter.address) ? local.filter((address) => familyOf(address) === family) : [filter.address];
}

function isWithin(port: number | undefined, filter: HostPortFilter): boolean {
  return port !== undefined && filter.first <= port && port <= filter.last;
}

function byteKey(address: Buffer): string {
  return address.toString("latin1");
}
