/** Requests and records as tests want them: short to write, complete in what the types ask for. */
import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  JoinRequest,
  PoolData,
  ProgramRequest,
} from "../../src/driver/driver.ts";
import type { Endpoint, PortRequest, Protocol } from "../../src/model/endpoint.ts";
import { parseEndpointId, parseMac, parseNetworkId } from "../../src/model/ids.ts";
import { type IpAddress, parseInterfaceAddress, parseIpAddress, parsePrefix } from "../../src/model/ip.ts";
import type { BridgeNetwork, HostNetwork, RoutedNetwork } from "../../src/model/network.ts";
import { bridgeName, hostIfName, sandboxIfName } from "../../src/plan/names.ts";

export const networkId = (number: number): ReturnType<typeof parseNetworkId> => parseNetworkId(hexId("a", number));
export const endpointId = (number: number): ReturnType<typeof parseEndpointId> => parseEndpointId(hexId("e", number));

function hexId(letter: string, number: number): string {
  return `${letter}${number.toString(16).padStart(3, "0")}`.repeat(16);
}

export const ip = (text: string): IpAddress => parseIpAddress(text);

export function poolData(subnet: string, gateway?: string, addressSpace = "LocalDefault"): PoolData {
  return {
    addressSpace,
    subnet: parsePrefix(subnet),
    ...(gateway === undefined ? {} : { gateway: parseInterfaceAddress(gateway) }),
    aux: new Map(),
  };
}

/** Network n has 10.88.n.0/24, and fd00:88:n::/64 with `ipv6`. */
export function networkRequest(
  number = 1,
  more: Partial<CreateNetworkRequest> & { readonly v4?: boolean; readonly v6?: boolean } = {},
): CreateNetworkRequest {
  const { v4 = true, v6 = false, ...rest } = more;
  return {
    networkId: networkId(number),
    options: new Map(),
    internal: false,
    ipv4Enabled: v4,
    ipv6Enabled: v6,
    ipv4: v4 ? [poolData(`10.88.${number}.0/24`, `10.88.${number}.1/24`)] : [],
    ipv6: v6 ? [poolData(`fd00:88:${number}::/64`, `fd00:88:${number}::1/64`)] : [],
    ...rest,
  };
}

/** Endpoint n has host number n + 1 in its network. */
export function endpointRequest(
  number = 1,
  network = 1,
  more: Partial<CreateEndpointRequest> & { readonly v4?: boolean; readonly v6?: boolean } = {},
): CreateEndpointRequest {
  const { v4 = true, v6 = false, ...rest } = more;
  return {
    networkId: networkId(network),
    endpointId: endpointId(number),
    ...(v4 ? { ipv4: parseInterfaceAddress(`10.88.${network}.${number + 1}/24`) } : {}),
    ...(v6 ? { ipv6: parseInterfaceAddress(`fd00:88:${network}::${(number + 1).toString(16)}/64`) } : {}),
    macFromUser: false,
    options: new Map(),
    ports: [],
    ...rest,
  };
}

export function joinRequest(
  number = 1,
  network = 1,
  sandbox = number,
  more: Partial<Pick<JoinRequest, "ports" | "exposed">> = {},
): JoinRequest {
  return {
    networkId: networkId(network),
    endpointId: endpointId(number),
    sandboxKey: sandboxKey(sandbox),
    ports: [],
    exposed: [],
    ...more,
  };
}

/** A network that shares the host's address, as fairway's own IPAM driver announces it. */
export function hostNetworkRequest(
  number = 1,
  options: Readonly<Record<string, string>> = {},
  more: Partial<CreateNetworkRequest> = {},
): CreateNetworkRequest {
  return {
    ...networkRequest(number),
    options: new Map(Object.entries({ mode: "host", ...options })),
    ipv4: [poolData("0.0.0.0/0", `169.254.80.${number}/32`, "fairway")],
    ...more,
  };
}

/** The host's address, or none: the driver chooses then. */
export function hostEndpointRequest(number = 1, network = 1): CreateEndpointRequest {
  return { ...endpointRequest(number, network, { v4: false }), ipv4: parseInterfaceAddress("192.0.2.10/32") };
}

export function hostNetworkOf(more: Partial<HostNetwork> = {}, number = 1): HostNetwork {
  return {
    mode: "host",
    id: networkId(number),
    state: "ready",
    internal: false,
    ipv4: [],
    ipv6: [],
    ifNamePrefix: "eth",
    mtu: 1500,
    gatewayIpv4: ip(`169.254.80.${number}`),
    gatewayIpv6: ip(`fe80::fa17:0:${number.toString(16)}`),
    hostAddresses: [],
    claim: "exposed",
    dynamicPorts: { first: 20_000, last: 32_000 },
    sharedIpv4: ip("192.0.2.10"),
    sharedIpv6: ip("2001:db8::10"),
    ...more,
  };
}

/** A network of flat addresses: 10.20.n.0/24, and fd00:20:n::/64 with `ipv6`. */
export function routedNetworkRequest(
  number = 1,
  options: Readonly<Record<string, string>> = {},
  more: Parameters<typeof networkRequest>[1] = {},
): CreateNetworkRequest {
  const { v4 = true, v6 = false } = more;
  return {
    ...networkRequest(number, {
      ipv4: v4 ? [poolData(`10.20.${number}.0/24`, `10.20.${number}.1/24`)] : [],
      ipv6: v6 ? [poolData(`fd00:20:${number}::/64`, `fd00:20:${number}::1/64`)] : [],
      ...more,
    }),
    options: new Map(Object.entries({ mode: "routed", ...options })),
  };
}

/** Endpoint n has host number n + 1 in its network. */
export function routedEndpointRequest(
  number = 1,
  network = 1,
  more: Parameters<typeof endpointRequest>[2] = {},
): CreateEndpointRequest {
  const { v4 = true, v6 = false } = more;
  return endpointRequest(number, network, {
    ...(v4 ? { ipv4: parseInterfaceAddress(`10.20.${network}.${number + 1}/24`) } : {}),
    ...(v6 ? { ipv6: parseInterfaceAddress(`fd00:20:${network}::${(number + 1).toString(16)}/64`) } : {}),
    ...more,
  });
}

export function routedNetworkOf(more: Partial<RoutedNetwork> = {}, number = 1): RoutedNetwork {
  return {
    mode: "routed",
    id: networkId(number),
    state: "ready",
    internal: false,
    ipv4: [{ subnet: parsePrefix(`10.20.${number}.0/24`) }],
    ipv6: [{ subnet: parsePrefix(`fd00:20:${number}::/64`) }],
    ifNamePrefix: "eth",
    mtu: 1500,
    gatewayIpv4: ip(`169.254.80.${number}`),
    gatewayIpv6: ip(`fe80::fa17:0:${number.toString(16)}`),
    icc: true,
    reachable: "published",
    announce: "block",
    egressNat: false,
    flatSpace: [],
    ...more,
  };
}

/** As the engine's own address management has them: with the length of the subnet. */
export function routedEndpointOf(more: Partial<Endpoint> = {}, number = 1, network = 1): Endpoint {
  return endpointOf(
    {
      ipv4: parseInterfaceAddress(`10.20.${network}.${number + 1}/24`),
      ipv6: parseInterfaceAddress(`fd00:20:${network}::${(number + 1).toString(16)}/64`),
      ...more,
    },
    number,
    network,
  );
}

export function sandboxKey(sandbox: number): string {
  return `/var/run/docker/netns/${sandbox.toString(16).padStart(12, "0")}`;
}

export function programRequest(ports: readonly PortRequest[], number = 1, network = 1): ProgramRequest {
  return { networkId: networkId(network), endpointId: endpointId(number), ports };
}

/** "8080:80", "127.0.0.1:8080:80/udp", "[::1]:8080:80", "7000-7002:70", "0:80" for any free port. */
export function port(text: string): PortRequest {
  const match = /^(?:(\[[^\]]+\]|[\d.]+):)?(\d+)(?:-(\d+))?:(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) {
    throw new Error(`no port: ${text}`);
  }
  const [, address, first, last, container, protocol] = match;
  return {
    protocol: (protocol ?? "tcp") as Protocol,
    containerPort: Number(container),
    ...(address === undefined ? {} : { hostAddress: ip(address.replace(/[[\]]/g, "")) }),
    hostPortFirst: Number(first),
    hostPortLast: Number(last ?? first),
  };
}

export function networkOf(more: Partial<BridgeNetwork> = {}, number = 1): BridgeNetwork {
  const id = networkId(number);
  return {
    mode: "bridge",
    id,
    state: "ready",
    internal: false,
    ipv4: [{ subnet: parsePrefix(`10.88.${number}.0/24`), gateway: parseInterfaceAddress(`10.88.${number}.1/24`) }],
    ipv6: [],
    ifNamePrefix: "eth",
    mtu: 1500,
    bridge: bridgeName(id),
    bridgeMac: parseMac("02:00:00:00:00:01"),
    icc: true,
    masquerade: true,
    publishAddresses: [],
    ...more,
  };
}

export const ipv6Pool = { subnet: parsePrefix("fd00:88:1::/64"), gateway: parseInterfaceAddress("fd00:88:1::1/64") };

export function endpointOf(more: Partial<Endpoint> = {}, number = 1, network = 1): Endpoint {
  const id = endpointId(number);
  return {
    id,
    networkId: networkId(network),
    state: "created",
    ipv4: parseInterfaceAddress(`10.88.${network}.${number + 1}/24`),
    mac: parseMac("02:00:00:00:01:01"),
    hostIf: hostIfName(id),
    sandboxIf: sandboxIfName(id),
    publications: [],
    ...more,
  };
}
