/** From a request and its options to the record of a network that shares the host's address. Pure. */
import { FairwayError } from "../errors.ts";
import {
  addressBits,
  type Family,
  familyOf,
  hostOf,
  type IpAddress,
  type Prefix,
  prefixLengthOf,
} from "../model/ip.ts";
import type { HostNetwork, Network } from "../model/network.ts";
import { checkMtuForIpv6, type HostOptions } from "../options/network-options.ts";
import { isOwnGateway } from "../plan/gateways.ts";
import { chooseShared } from "../plan/shared-address.ts";
import type { HostAddress } from "../plan/specs.ts";
import type { CreateNetworkRequest, PoolData } from "./driver.ts";
import {
  refuseEngineIpam,
  refuseInternal,
  refuseMissingFamily,
  refuseStranger,
  refuseSubnet,
  refuseWithoutAddress,
} from "./host-refusals.ts";
import { chooseGateway } from "./link-local-gateways.ts";
import { defaultMtuBytes, isNullPool } from "./network-record.ts";

/** What the host has to offer at this moment. */
export interface HostSurroundings {
  readonly addresses: readonly HostAddress[];
  /** Interface with the default route. */
  readonly uplink: string | undefined;
  readonly isGatewayTaken: (gateway: IpAddress) => boolean;
  /** The network itself, when the engine repeats its request: what was chosen freely then is so again. */
  readonly before: Network | undefined;
}

/**
 * @param mtuBytes of an interface
 * @throws FairwayError FW3009 when there is no address to share, FW1003 for contradictions.
 */
export function hostRecord(
  request: CreateNetworkRequest,
  options: HostOptions,
  surroundings: HostSurroundings,
  mtuBytes: ReadonlyMap<string, number>,
): HostNetwork {
  const pools = [...request.ipv4, ...request.ipv6];
  refuseInternal(request);
  refuseEngineIpam(request);
  const hostAddresses = chosenAddresses(request, options, pools);
  for (const address of hostAddresses) {
    refuseStranger(request, address, options.parent, surroundings.addresses);
  }
  const choice = { hostAddresses, ...(options.parent === undefined ? {} : { parent: options.parent }) };
  const shared = chooseShared(choice, surroundings.addresses, surroundings.uplink);
  const address = shared.ipv4 ?? shared.ipv6;
  if (address === undefined) {
    refuseWithoutAddress(request, options.parent, surroundings);
  }
  refuseMissingFamily(request, shared);
  const device = surroundings.addresses.find((at) => at.address === address)?.device ?? "";
  const mtu = options.mtu ?? mtuBytes.get(device) ?? defaultMtuBytes;
  checkMtuForIpv6(mtu, shared.ipv6 !== undefined);
  return {
    mode: "host",
    id: request.networkId,
    state: "creating",
    internal: false,
    ipv4: [],
    ipv6: [],
    mtu,
    ifNamePrefix: options.ifNamePrefix,
    gatewayIpv4: gatewayOf("ipv4", request.ipv4, surroundings),
    gatewayIpv6: gatewayOf("ipv6", request.ipv6, surroundings),
    ...choice,
    claim: options.claim,
    dynamicPorts: options.dynamicPorts,
    ...(shared.ipv4 === undefined ? {} : { sharedIpv4: shared.ipv4 }),
    ...(shared.ipv6 === undefined ? {} : { sharedIpv6: shared.ipv6 }),
  };
}

/** By option, or as a subnet that holds nothing but the address. */
function chosenAddresses(
  request: CreateNetworkRequest,
  options: HostOptions,
  pools: readonly PoolData[],
): readonly IpAddress[] {
  const asSubnets = pools.flatMap(({ subnet }) => {
    if (subnet === undefined || isNullPool(subnet)) {
      return [];
    }
    const address = onlyAddressOf(subnet);
    return address === undefined ? refuseSubnet(request, subnet) : [address];
  });
  if (asSubnets.length > 0 && options.hostAddresses.length > 0 && !sameMembers(asSubnets, options.hostAddresses)) {
    throw new FairwayError({
      code: "FW1003",
      what: `subnet ${asSubnets.join(", ")} and option host_ip=${options.hostAddresses.join(",")} contradict each other`,
      why: "both say which address of the host the containers share",
      fix: "keep one of them",
    });
  }
  return options.hostAddresses.length > 0 ? options.hostAddresses : asSubnets;
}

function onlyAddressOf(subnet: Prefix): IpAddress | undefined {
  const isOne = prefixLengthOf(subnet) === addressBits(familyOf(subnet));
  return isOne ? hostOf(subnet) : undefined;
}

function sameMembers(a: readonly IpAddress[], b: readonly IpAddress[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

/** Our IPAM driver has chosen one already, by which it knows the network again; otherwise any free one. */
function gatewayOf(family: Family, pools: readonly PoolData[], surroundings: HostSurroundings): IpAddress {
  const given = pools[0]?.gateway;
  return given !== undefined && isOwnGateway(hostOf(given)) ? hostOf(given) : chooseGateway(family, surroundings);
}
