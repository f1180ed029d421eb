/** From a request and its options to the record of a network of flat addresses. Pure. */
import { FairwayError } from "../errors.ts";
import { addressBits, familyOf, type IpAddress, prefixLengthOf } from "../model/ip.ts";
import type { Network, Pool, RoutedNetwork } from "../model/network.ts";
import { checkMtuForIpv6, type RoutedOptions } from "../options/network-options.ts";
import type { CreateNetworkRequest, PoolData } from "./driver.ts";
import { chooseGateway } from "./link-local-gateways.ts";
import { defaultMtuBytes, isNullPool } from "./network-record.ts";

/** What the host has to offer at this moment. */
export interface RoutedSurroundings {
  readonly uplinkMtuBytes: number | undefined;
  readonly isGatewayTaken: (gateway: IpAddress) => boolean;
  /** The network itself, when the engine repeats its request. */
  readonly before: Network | undefined;
}

/** @throws FairwayError FW3001 when no address is assigned, FW1003 for the MTU. */
export function routedRecord(
  request: CreateNetworkRequest,
  options: RoutedOptions,
  surroundings: RoutedSurroundings,
): RoutedNetwork {
  refuseContradictions(request, options);
  const ipv4 = request.ipv4.flatMap(usablePool);
  const ipv6 = request.ipv6.flatMap(usablePool);
  if (ipv4.length + ipv6.length === 0) {
    throw new FairwayError({
      code: "FW3001",
      what: `network ${request.networkId.slice(0, 12)} has no subnet`,
      why: "mode routed gives every container an address of its own, and the network's IPAM driver assigned none",
      fix: "add a subnet that the routers may lead here: docker network create -d fairway -o mode=routed --subnet 10.20.0.0/24 NAME",
    });
  }
  const mtu = options.mtu ?? surroundings.uplinkMtuBytes ?? defaultMtuBytes;
  checkMtuForIpv6(mtu, ipv6.length > 0);
  return {
    mode: "routed",
    id: request.networkId,
    state: "creating",
    internal: request.internal,
    ipv4,
    ipv6,
    mtu,
    ifNamePrefix: options.ifNamePrefix,
    gatewayIpv4: chooseGateway("ipv4", surroundings),
    gatewayIpv6: chooseGateway("ipv6", surroundings),
    icc: options.icc,
    reachable: options.reachable,
    announce: options.announce,
    egressNat: options.egressNat,
    flatSpace: options.flatSpace,
  };
}

function refuseContradictions(request: CreateNetworkRequest, { reachable, egressNat }: RoutedOptions): void {
  const option = egressNat ? "egress_nat=true" : reachable === "all" ? "reachable=all" : undefined;
  if (request.internal && option !== undefined) {
    throw new FairwayError({
      code: "FW1003",
      what: `--internal and option ${option} contradict each other`,
      why: "containers of an internal network reach each other and nobody else, and nobody else reaches them",
      fix: `leave out --internal or ${option}`,
    });
  }
  // Our IPAM driver takes a subnet of one address for the host's own.
  const single = [...request.ipv4, ...request.ipv6]
    .map(({ subnet }) => subnet)
    .find((subnet) => subnet !== undefined && prefixLengthOf(subnet) === addressBits(familyOf(subnet)));
  if (single !== undefined) {
    throw new FairwayError({
      code: "FW3001",
      what: `subnet ${single} has room for one address only`,
      why: "mode routed gives every container an address of its own",
      fix: "choose a larger --subnet; for the host's own address, choose mode=host",
    });
  }
}

/** The address that the engine keeps for a gateway is nobody's: next hops are link-local. */
function usablePool({ subnet }: PoolData): Pool[] {
  return subnet === undefined || isNullPool(subnet) ? [] : [{ subnet }];
}
