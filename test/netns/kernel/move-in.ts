/** What an engine does with the answer to a join. */
import { joinReply } from "../../../src/driver/sandboxes.ts";
import type { Endpoint } from "../../../src/model/endpoint.ts";
import { hostOf } from "../../../src/model/ip.ts";
import type { HostNetwork, RoutedNetwork } from "../../../src/model/network.ts";
import { ipHere, type Sandbox } from "./sandbox.ts";

export async function moveIn(
  network: HostNetwork | RoutedNetwork,
  endpoint: Endpoint,
  sandbox: Sandbox,
  name = "eth0",
): Promise<void> {
  const { staticRoutes, gateway, gatewayIpv6 } = joinReply(network, endpoint);
  await ipHere(`link set ${endpoint.sandboxIf} netns ${sandbox.pid}`);
  const [onLink, behind] = [
    staticRoutes.filter(({ nextHop }) => nextHop === undefined),
    staticRoutes.filter(({ nextHop }) => nextHop !== undefined),
  ];
  const hasDefault = (await sandbox.exec("ip", "route", "show", "default")).trim() !== "";
  await sandbox.ip(
    `link set ${endpoint.sandboxIf} name ${name}`,
    ...[endpoint.ipv4, endpoint.ipv6].flatMap((address) => addressLine(address, name)),
    `link set ${name} up`,
    ...onLink.map(({ destination }) => `route add ${hostOf(destination)} dev ${name}`),
    ...behind.map(({ destination, nextHop }) => `route add ${destination} via ${nextHop} dev ${name}`),
    ...(hasDefault ? [] : [gateway, gatewayIpv6].flatMap((hop) => defaultLine(hop, name))),
  );
}

function addressLine(address: string | undefined, name: string): string[] {
  return address === undefined ? [] : [`addr add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`];
}

function defaultLine(hop: string | undefined, name: string): string[] {
  return hop === undefined ? [] : [`route add ${hop.includes(":") ? "::/0" : "default"} via ${hop} dev ${name}`];
}
