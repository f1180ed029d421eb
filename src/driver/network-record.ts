/** From a request and its options to the record of a bridge network. Pure. */
import { FairwayError } from "../errors.ts";
import { familyOf, hostOf, type InterfaceAddress, type Prefix, prefixContains } from "../model/ip.ts";
import { deriveMac } from "../model/mac.ts";
import type { BridgeNetwork, Network, Pool } from "../model/network.ts";
import { localAddressSpace } from "../model/pool.ts";
import { type BridgeOptions, checkMtuForIpv6 } from "../options/network-options.ts";
import { bridgeName } from "../plan/names.ts";
import type { CreateNetworkRequest, PoolData } from "./driver.ts";

/** Ethernet's payload, for a host without an uplink. */
export const defaultMtuBytes = 1500;

/** @throws FairwayError FW3001 or FW3003 when the engine's addresses do not make a network, FW1003 for the MTU. */
export function bridgeRecord(
  request: CreateNetworkRequest,
  options: BridgeOptions,
  uplinkMtuBytes: number | undefined,
): BridgeNetwork {
  const ipv4 = request.ipv4.flatMap(usablePool);
  const ipv6 = request.ipv6.flatMap(usablePool);
  requirePools(request, ipv4, ipv6);
  const mtu = options.mtu ?? uplinkMtuBytes ?? defaultMtuBytes;
  checkMtuForIpv6(mtu, ipv6.length > 0);
  return {
    mode: options.mode,
    id: request.networkId,
    state: "creating",
    internal: request.internal,
    ipv4,
    ipv6,
    mtu,
    ifNamePrefix: options.ifNamePrefix,
    bridge: options.bridgeName ?? bridgeName(request.networkId),
    // Derived, so that a bridge rebuilt after a reboot is no stranger to the neighbours' ARP caches.
    bridgeMac: deriveMac("bridge", request.networkId),
    icc: options.icc,
    masquerade: options.masquerade,
    publishAddresses: options.publishAddresses,
    ...(options.snatIpv4 === undefined ? {} : { snatIpv4: options.snatIpv4 }),
    ...(options.snatIpv6 === undefined ? {} : { snatIpv6: options.snatIpv6 }),
  };
}

function usablePool(pool: PoolData): Pool[] {
  if (pool.subnet === undefined || isNullPool(pool.subnet)) {
    return [];
  }
  if (pool.gateway === undefined) {
    return [{ subnet: pool.subnet }];
  }
  requireInside(pool.subnet, pool.gateway);
  return [{ subnet: pool.subnet, gateway: pool.gateway }];
}

/** How an IPAM driver says "no subnet": the null driver, and ours for the host's own address. */
export function isNullPool(subnet: Prefix): boolean {
  return subnet === "0.0.0.0/0" || subnet === "::/0";
}

function requireInside(subnet: Prefix, gateway: InterfaceAddress): void {
  if (!prefixContains(subnet, hostOf(gateway))) {
    throw new FairwayError({
      code: "FW3003",
      what: `gateway ${hostOf(gateway)} is not inside subnet ${subnet}`,
      why: "a container reaches its gateway on the bridge itself",
      fix: "choose a gateway inside the subnet, or leave --gateway out",
    });
  }
}

function requirePools(request: CreateNetworkRequest, ipv4: readonly Pool[], ipv6: readonly Pool[]): void {
  if (ipv4.length + ipv6.length > 0) {
    return;
  }
  throw new FairwayError({
    code: "FW3001",
    what: `network ${request.networkId.slice(0, 12)} has no subnet`,
    why: "mode bridge gives every container an address, and the network's IPAM driver assigned none",
    fix: request.ipv4.some(({ addressSpace }) => addressSpace === localAddressSpace)
      ? "with --ipam-driver fairway, add a subnet: docker network create -d fairway --ipam-driver fairway --subnet 10.88.0.0/24 NAME"
      : "leave out --ipam-driver null, or add --subnet 10.88.0.0/24",
  });
}

/** Same network in all that the user can choose? The engine may repeat a request. */
export function sameNetwork(a: Network, b: Network): boolean {
  return JSON.stringify(comparable(a)) === JSON.stringify(comparable(b));
}

function comparable(network: Network): Record<string, unknown> {
  const ofTheHost = {
    state: undefined,
    mtu: undefined,
    sharedIpv4: undefined,
    sharedIpv6: undefined,
    moving: undefined,
  };
  const entries = Object.entries({ ...network, ...ofTheHost }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function subnetsOf(network: Network): Prefix[] {
  return [...network.ipv4, ...network.ipv6].map(({ subnet }) => subnet);
}

export function gatewayFor(pools: readonly Pool[], address: InterfaceAddress | undefined): Pool["gateway"] {
  if (address === undefined) {
    return undefined;
  }
  const host = hostOf(address);
  return pools.find(({ subnet }) => familyOf(subnet) === familyOf(host) && prefixContains(subnet, host))?.gateway;
}
