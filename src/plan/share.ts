/** Mode host: what the kernel should hold for containers that share the host's address. */
import type { Endpoint } from "../model/endpoint.ts";
import { type Family, hostOf, type InterfaceAddress, type IpAddress } from "../model/ip.ts";
import type { HostNetwork } from "../model/network.ts";
import { familyDigit } from "./digit.ts";
import { sandboxTable, shareLinkGroup } from "./names.ts";
import { pairOf } from "./pair.ts";
import type { NftElement } from "./ruleset.ts";
import type { FurnishSpec, NextHopLinkSpec } from "./specs.ts";
import { standInOf } from "./stand-in.ts";

interface SharedFamily {
  readonly family: Family;
  /** The host's address as the container knows it. */
  readonly address: IpAddress;
  readonly gateway: IpAddress;
  readonly standIn: IpAddress;
  /** The host's address as the world knows it, which may have changed since. */
  readonly shared: IpAddress | undefined;
}

export function planSharedLink(network: HostNetwork, endpoint: Endpoint): NextHopLinkSpec {
  const shared = familiesOf(network, endpoint);
  return {
    ...pairOf(network, endpoint),
    group: shareLinkGroup,
    gateways: shared.map(({ gateway }) => gateway),
    targets: shared.map(({ standIn }) => standIn),
  };
}

/** The gateways are no secret of one network, so that every other network's containers are kept from them. */
export function planShareNetworkElements(network: HostNetwork): NftElement[] {
  return [
    { set: "gateways4", key: [network.gatewayIpv4] },
    { set: "gateways6", key: [network.gatewayIpv6] },
  ];
}

/** While the endpoint is joined. */
export function planShareElements(network: HostNetwork, endpoint: Endpoint): NftElement[] {
  const link = endpoint.hostIf;
  return familiesOf(network, endpoint).flatMap(({ family, address, gateway, standIn, shared }) => {
    const digit = familyDigit(family);
    return [
      { set: `own_gateway${digit}`, key: [link, gateway] },
      { set: `stand_in${digit}`, key: [link, address], data: [standIn] },
      { set: `real${digit}`, key: [link], data: [address] },
      { set: `shared${digit}`, key: [link], data: [shared ?? address] },
    ];
  });
}

/** What the engine does not do inside the sandbox. */
export function planFurnishing(network: HostNetwork, endpoint: Endpoint): FurnishSpec {
  const shared = familiesOf(network, endpoint);
  return {
    sharesAddress: true,
    hostIf: endpoint.hostIf,
    sandboxKey: endpoint.sandboxKey ?? "",
    mac: endpoint.mac,
    table: sandboxTable(network.gatewayIpv4),
    routes: shared.map(({ address, gateway }) => ({ address, gateway })),
    note: dynamicPortsNote(endpoint),
  };
}

/** Longest text of IFLA_IFALIAS that fits with a final zero (IFALIASZ in include/uapi/linux/if.h). */
const longestNote = 254;

/**
 * How a container learns the numbers it was given: the alias of its interface, which a program without any privilege or
 * tool can read as /sys/class/net/eth0/ifalias. "80/tcp=20017 53/udp=20101"
 */
function dynamicPortsNote({ publications }: Endpoint): string {
  const words = publications.flatMap(({ protocol, containerPort, hostPortFirst, hostPortLast }) => {
    const count = hostPortLast - hostPortFirst + 1;
    return Array.from({ length: Math.min(count, longestNote) }, (_, index) => {
      return `${containerPort + index}/${protocol}=${hostPortFirst + index}`;
    });
  });
  let note = "";
  for (const word of new Set(words)) {
    const longer = note === "" ? word : `${note} ${word}`;
    if (longer.length > longestNote) {
      break;
    }
    note = longer;
  }
  return note;
}

function familiesOf(network: HostNetwork, endpoint: Endpoint): SharedFamily[] {
  const sides: [Family, InterfaceAddress | undefined, IpAddress, IpAddress | undefined][] = [
    ["ipv4", endpoint.ipv4, network.gatewayIpv4, network.sharedIpv4],
    ["ipv6", endpoint.ipv6, network.gatewayIpv6, network.sharedIpv6],
  ];
  return sides.flatMap(([family, address, gateway, shared]) =>
    address === undefined
      ? []
      : [{ family, address: hostOf(address), gateway, shared, standIn: standInOf(endpoint.standIn ?? 0, family) }],
  );
}
