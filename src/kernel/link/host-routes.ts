import type { Family } from "../../model/ip.ts";
import type { HostRoute } from "../ports.ts";
import { ROUTING_DAEMON_PROTOCOLS, RTPROT_FAIRWAY } from "./constants.ts";
import type { LinkInfo, RouteInfo } from "./parse.ts";
import type { Rtnetlink } from "./rtnetlink.ts";

/** Routes of the main table, both families. */
export async function listHostRoutes(rtnetlink: Rtnetlink): Promise<readonly HostRoute[]> {
  const ipv4 = await rtnetlink.listRoutes("ipv4");
  const ipv6 = await rtnetlink.listRoutes("ipv6");
  const names = new Map((await rtnetlink.listLinks()).map(({ index, name }) => [index, name]));
  const at = (family: Family, routes: readonly RouteInfo[]): HostRoute[] =>
    routes.flatMap(({ linkIndex, protocol, ...route }) => {
      const device = names.get(linkIndex);
      // The link went away between the two answers, and its routes with it.
      return device === undefined ? [] : [{ ...route, ...makerOf(protocol), family, device }];
    });
  return [...at("ipv4", ipv4), ...at("ipv6", ipv6)];
}

function makerOf(protocol: number): Pick<HostRoute, "maker"> {
  if (protocol === RTPROT_FAIRWAY) {
    return { maker: "fairway" };
  }
  return ROUTING_DAEMON_PROTOCOLS.includes(protocol) ? { maker: "routing daemon" } : {};
}

/** The link that the best default route leads to; IPv6 counts only without an IPv4 one. */
export async function findUplink(rtnetlink: Rtnetlink): Promise<LinkInfo | undefined> {
  const best = (await bestDefault(rtnetlink, "ipv4")) ?? (await bestDefault(rtnetlink, "ipv6"));
  return best === undefined ? undefined : await rtnetlink.findLink(best.linkIndex);
}

async function bestDefault(rtnetlink: Rtnetlink, family: Family): Promise<RouteInfo | undefined> {
  const routes = await rtnetlink.listDefaultRoutes(family);
  return routes.toSorted((a, b) => a.priority - b.priority)[0];
}
