/** Why an address or a pool cannot be had. */
import { FairwayError } from "../errors.ts";
import type { Family, IpAddress, Prefix } from "../model/ip.ts";

const withSubnet = "docker network create -d fairway --ipam-driver fairway --subnet 10.88.0.0/24 NAME";
const withHost = "docker network create -d fairway --ipam-driver fairway -o mode=host NAME";

/** @param what an option and what it lacks: "ipam option block has no meaning without --subnet" */
export function pointlessOption(what: string, why: string, fix: string): FairwayError {
  return new FairwayError({ code: "FW1003", what, why, fix });
}

export function unknownPool(poolId: string): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: `address pool ${JSON.stringify(poolId.slice(0, 80))} is not known to fairway`,
    why: "its record is missing; perhaps the state directory was removed or another one is in use",
    fix: "remove the network with `docker network rm` and create it again",
  });
}

export function poolOverlaps(subnet: Prefix, other: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: `subnet ${subnet} overlaps with ${other}, whose addresses another network hands out`,
    why: "an address must never be given to two containers",
    fix: "choose another --subnet, or remove the network that has it (docker network ls)",
  });
}

/** Other hosts have blocks of it: it must not become this host's alone because the configuration has lost a line. */
export function notDividedAnyMore(subnet: Prefix, hasCluster: boolean): FairwayError {
  return new FairwayError({
    code: "FW2005",
    what: `subnet ${subnet} is divided among the hosts of a cluster, and ${hasCluster ? "it is outside the flatSpace of the configuration" : "no cluster is configured"}`,
    why: "without the store that the hosts share, this host cannot know which addresses are its own",
    fix: "put cluster and flatSpace back into the configuration, or remove the network and create it again",
  });
}

export function notInSubnet(what: string, subnet: string): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: `${what} is not a usable address of ${subnet}`,
    why: "a container can have addresses of its network only, and not the network's own or its broadcast address",
    fix: `choose one inside ${subnet}, or leave it out`,
  });
}

export function addressTaken(address: IpAddress, subnet: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3011",
    what: `address ${address} of ${subnet} is in use`,
    why: "another container has it, or it is the gateway or reserved",
    fix: "choose another --ip, or leave it out",
  });
}

export function noAddressLeft(subnet: Prefix): FairwayError {
  return new FairwayError({
    code: "FW3011",
    what: `no address of ${subnet} is free`,
    why: "every address is a container's, the gateway's or reserved",
    fix: "remove containers, or use a network with a larger subnet",
  });
}

/** @param gateway that was asked for; absent: none is left. */
export function noSharedGateway(gateway?: IpAddress): FairwayError {
  return new FairwayError({
    code: "FW3010",
    what: gateway === undefined ? "no gateway is left for another network" : `gateway ${gateway} cannot be chosen`,
    why: "a network that shares the host's address has a link-local gateway that fairway chooses",
    fix: gateway === undefined ? "remove networks that nobody uses: docker network prune" : "leave out --gateway",
  });
}

export function noNetworkShares(family: Family, hasNetwork: boolean): FairwayError {
  const label = family === "ipv4" ? "IPv4" : "IPv6";
  return new FairwayError({
    code: "FW3010",
    what: hasNetwork ? `this host has no ${label} address to share` : "this network has no subnet",
    why: hasNetwork
      ? "containers of the network have the host's own address"
      : "without a subnet, fairway's IPAM driver gives the host's own address, which takes mode=host",
    fix: hasNetwork ? "create the network without that family" : `type: ${withHost}, or: ${withSubnet}`,
  });
}
