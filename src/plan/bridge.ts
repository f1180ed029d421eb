/** Mode bridge: what the kernel should hold for a network and its endpoints. */
import type { Endpoint } from "../model/endpoint.ts";
import { boundsOf, type Family, familyOf, fromBigInt, hostOf, type IpAddress, type Prefix } from "../model/ip.ts";
import type { BridgeNetwork, Pool } from "../model/network.ts";
import { familyDigit } from "./digit.ts";
import type { HostFacts } from "./host.ts";
import { isolatedLinkGroup, linkGroup, networkAlias } from "./names.ts";
import { pairOf } from "./pair.ts";
import type { NftElement, NftField } from "./ruleset.ts";
import type { BridgeSpec, VethSpec } from "./specs.ts";

export function planBridge(network: BridgeNetwork): BridgeSpec {
  return {
    name: network.bridge,
    mac: network.bridgeMac,
    mtu: network.mtu,
    alias: networkAlias(network.id),
    addresses: poolsOf(network).flatMap((pool) => (pool.gateway === undefined ? [] : [pool.gateway])),
    ipv6: network.ipv6.length > 0,
  };
}

/**
 * Where bridged packets visit the IP-level filter, translated ones must be let through from port to port, so there the
 * filter alone keeps containers apart; elsewhere the port's own flag does it as well.
 */
export function planBridgePort(network: BridgeNetwork, endpoint: Endpoint, facts: HostFacts): VethSpec {
  const isFiltered = facts.bridgedIpv4Filtered || facts.bridgedIpv6Filtered;
  return {
    ...pairOf(network, endpoint),
    bridge: network.bridge,
    group: network.icc ? linkGroup : isolatedLinkGroup,
    isolated: !network.icc && !isFiltered,
  };
}

/** Families in which the host must forward for this network. */
export function planBridgeForwarding(network: BridgeNetwork): Family[] {
  if (network.internal) {
    return [];
  }
  return [
    ...(network.ipv4.length > 0 ? (["ipv4"] as const) : []),
    ...(network.ipv6.length > 0 ? (["ipv6"] as const) : []),
  ];
}

/** Elements that stand for a network, whatever its endpoints. */
export function planBridgeElements(network: BridgeNetwork): NftElement[] {
  const bridge = network.bridge;
  const elements: NftElement[] = [
    { set: "intra", key: [bridge, bridge], data: network.icc ? "accept" : { goto: "isolated_peers" } },
  ];
  if (network.internal) {
    elements.push({ set: "internal", key: [bridge] });
  }
  if (!network.icc) {
    elements.push({ set: "isolated", key: [bridge] });
  }
  return [
    ...elements,
    ...poolsOf(network).flatMap((pool) => gatewayElements(network, pool)),
    ...hairpinElements(network.ipv4),
    ...hairpinElements(network.ipv6),
    ...outboundElements(network),
  ];
}

function gatewayElements(network: BridgeNetwork, pool: Pool): NftElement[] {
  if (pool.gateway === undefined) {
    return [];
  }
  const digit = familyDigit(familyOf(pool.subnet));
  const gateway = hostOf(pool.gateway);
  return [
    { set: `gateways${digit}`, key: [gateway] },
    { set: `own_gateway${digit}`, key: [network.bridge, gateway] },
  ];
}

/** Every pair of subnets on the bridge, because neighbours may have addresses of different ones. */
function hairpinElements(pools: readonly Pool[]): NftElement[] {
  return pools.flatMap((from) =>
    pools.map((to) => ({
      set: `hairpin${familyDigit(familyOf(from.subnet))}`,
      key: [rangeOf(from.subnet), rangeOf(to.subnet)],
    })),
  );
}

function rangeOf(subnet: Prefix): NftField {
  const [first, last] = boundsOf(subnet);
  return { from: fromBigInt(first, familyOf(subnet)), to: fromBigInt(last, familyOf(subnet)) };
}

function outboundElements(network: BridgeNetwork): NftElement[] {
  if (!network.masquerade || network.internal) {
    return [];
  }
  const sides: [Family, readonly Pool[], IpAddress | undefined][] = [
    ["ipv4", network.ipv4, network.snatIpv4],
    ["ipv6", network.ipv6, network.snatIpv6],
  ];
  return sides
    .filter(([, pools]) => pools.length > 0)
    .map(([family, , address]) =>
      address === undefined
        ? { set: `masquerade${familyDigit(family)}`, key: [network.bridge] }
        : { set: `snat${familyDigit(family)}`, key: [network.bridge], data: [address] },
    );
}

function poolsOf(network: BridgeNetwork): Pool[] {
  return [...network.ipv4, ...network.ipv6];
}
