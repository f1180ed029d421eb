import type { CreateEndpointReply, JoinReply, StaticRoute } from "../driver/driver.ts";
import type { PoolReply } from "../ipam/ipam.ts";
import { labels } from "./labels.ts";
import type { CreateEndpointAnswer, EndpointInterface, JoinAnswer, PoolAnswer, StaticRouteAnswer } from "./schemas.ts";

/**
 * A field that the request supplied is left out even if the driver names it: the engine refuses the endpoint for any
 * answer to it, an equal one too (moby libnetwork drivers/remote/driver.go, CreateEndpoint).
 */
export function renderCreateEndpoint(reply: CreateEndpointReply, sent: EndpointInterface): CreateEndpointAnswer {
  const { address, addressIpv6, mac } = reply.interface ?? {};
  const answer = {
    ...(address === undefined || sent.Address !== "" ? {} : { Address: address }),
    ...(addressIpv6 === undefined || sent.AddressIPv6 !== "" ? {} : { AddressIPv6: addressIpv6 }),
    ...(mac === undefined || sent.MacAddress !== "" ? {} : { MacAddress: mac }),
  };
  return Object.keys(answer).length === 0 ? {} : { Interface: answer };
}

/** Without a gateway the engine's own bridge is always declined: it would be a way out that nobody asked for. */
export function renderJoin(reply: JoinReply): JoinAnswer {
  const routes = reply.staticRoutes.map(renderRoute);
  return {
    ...renderInterfaceName(reply.interface),
    ...(reply.gateway === undefined ? {} : { Gateway: reply.gateway }),
    ...(reply.gatewayIpv6 === undefined ? {} : { GatewayIPv6: reply.gatewayIpv6 }),
    ...(routes.length === 0 ? {} : { StaticRoutes: routes }),
    ...(reply.disableGatewayService || reply.gateway === undefined ? { DisableGatewayService: true } : {}),
  };
}

export function renderPool({ poolId, subnet, gateway }: PoolReply): PoolAnswer {
  return { PoolID: poolId, Pool: subnet, Data: gateway === undefined ? {} : { [labels.gateway]: gateway } };
}

function renderInterfaceName(name: JoinReply["interface"]): Pick<JoinAnswer, "InterfaceName"> {
  if (name === undefined) {
    return {};
  }
  const { srcName, dstPrefix, dstName } = name;
  const exact = dstName === undefined ? {} : { DstName: dstName };
  return { InterfaceName: { SrcName: srcName, DstPrefix: dstPrefix, ...exact } };
}

function renderRoute(route: StaticRoute): StaticRouteAnswer {
  return route.nextHop === undefined
    ? { Destination: route.destination, RouteType: 1, NextHop: "" }
    : { Destination: route.destination, RouteType: 0, NextHop: route.nextHop };
}
