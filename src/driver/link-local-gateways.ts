/** Which link-local addresses are the next hops of a network whose containers have the host as their next hop. */
import { FairwayError } from "../errors.ts";
import type { Family, IpAddress } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import { freeGateway } from "../plan/gateways.ts";

/** The network's own ones when the engine repeats its request. */
export function chooseGateway(
  family: Family,
  known: { readonly isGatewayTaken: (gateway: IpAddress) => boolean; readonly before: Network | undefined },
): IpAddress {
  const { before, isGatewayTaken } = known;
  if (before !== undefined && before.mode !== "bridge") {
    return family === "ipv4" ? before.gatewayIpv4 : before.gatewayIpv6;
  }
  return requireGateway(family, isGatewayTaken);
}

/** @throws FairwayError FW3009 when all are taken. */
export function requireGateway(family: Family, isTaken: (gateway: IpAddress) => boolean): IpAddress {
  const gateway = freeGateway(family, isTaken);
  if (gateway === undefined) {
    throw new FairwayError({
      code: "FW3009",
      what: "no gateway is left for another network of mode host or routed",
      why: "each of them needs a link-local address of its own, and there are 4094",
      fix: "remove networks that nobody uses: docker network prune",
    });
  }
  return gateway;
}
