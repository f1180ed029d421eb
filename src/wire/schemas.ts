/**
 * The network plugin protocol as it is on the wire: moby libnetwork drivers/remote/api/api.go.
 *
 * Only this room knows these names. Requests are read as tolerantly as Go reads them, because a newer engine adds fields;
 * a field of the wrong type is refused all the same.
 */
import { z } from "zod";
import { FairwayError } from "../errors.ts";
import { goObject } from "./go-object.ts";

const text = z.string().default("");
const port = z.int().min(0).max(65535).default(0);
const options = z.record(z.string(), z.unknown()).default({});

/** One subnet that IPAM assigned to a network; Pool and Gateway are CIDR and keep their host bits. */
const IpamData = goObject({
  AddressSpace: text,
  Pool: text,
  Gateway: text,
  AuxAddresses: z.record(z.string(), z.string()).default({}),
});
export type IpamData = z.infer<typeof IpamData>;

const ipamDataList = z.array(IpamData).default([]);

/** Addresses of an endpoint in CIDR; empty when the engine has none, and then the driver may choose. */
const EndpointInterface = goObject({ Address: text, AddressIPv6: text, MacAddress: text });
export type EndpointInterface = z.infer<typeof EndpointInterface>;

/** One published port: moby libnetwork types.PortBinding; Proto is the IP protocol number. */
export const PortBinding = goObject({
  Proto: z.int().default(0),
  IP: text,
  Port: port,
  HostIP: text,
  HostPort: port,
  HostPortEnd: port,
});
export type PortBinding = z.infer<typeof PortBinding>;

/** One port that a container listens on: moby libnetwork types.TransportPort. */
export const TransportPort = goObject({ Proto: z.int().default(0), Port: port });

/** A network is to exist on this host. */
export const CreateNetwork = goObject({
  NetworkID: text,
  Options: options,
  IPv4Data: ipamDataList,
  IPv6Data: ipamDataList,
});
export type CreateNetwork = z.infer<typeof CreateNetwork>;

/** A swarm manager reserves what a network needs cluster-wide. */
export const AllocateNetwork = goObject({ NetworkID: text, Options: options });

/** DeleteNetwork and FreeNetwork. */
export const NetworkOnly = goObject({ NetworkID: text });
export type NetworkOnly = z.infer<typeof NetworkOnly>;

/** EndpointOperInfo, DeleteEndpoint, Leave and RevokeExternalConnectivity. */
export const EndpointOnly = goObject({ NetworkID: text, EndpointID: text });
export type EndpointOnly = z.infer<typeof EndpointOnly>;

/** A container gets a place in a network; it is not running yet, or being connected. */
export const CreateEndpoint = goObject({
  NetworkID: text,
  EndpointID: text,
  Interface: EndpointInterface.prefault({}),
  Options: options,
});
export type CreateEndpoint = z.infer<typeof CreateEndpoint>;

/** The endpoint's interface is to be named, so that the engine can move it into the sandbox. */
export const Join = goObject({ NetworkID: text, EndpointID: text, SandboxKey: text, Options: options });
export type Join = z.infer<typeof Join>;

/** The endpoint became its container's gateway: publish the ports. */
export const Program = goObject({ NetworkID: text, EndpointID: text, Options: options });
export type Program = z.infer<typeof Program>;

/** A network wants addresses; Pool is the user's subnet, SubPool the user's range, both CIDR or empty. */
export const RequestPool = goObject({
  AddressSpace: text,
  Pool: text,
  SubPool: text,
  Options: options,
  V6: z.boolean().default(false),
});
export type RequestPool = z.infer<typeof RequestPool>;

/** A gateway, a reserved address or a container wants an address, this one or any. */
export const RequestAddress = goObject({ PoolID: text, Address: text, Options: options });
export type RequestAddress = z.infer<typeof RequestAddress>;

/** ReleasePool. */
export const PoolOnly = goObject({ PoolID: text });

/** ReleaseAddress. */
export const AddressOnly = goObject({ PoolID: text, Address: text });
export type AddressOnly = z.infer<typeof AddressOnly>;

/** What an IPAM driver wants to be told. */
export interface IpamCapabilitiesAnswer {
  readonly RequiresMACAddress: boolean;
  readonly RequiresRequestReplay: boolean;
}

/** Names under which an IPAM driver's pools are kept apart. */
export interface AddressSpacesAnswer {
  readonly LocalDefaultAddressSpace: string;
  readonly GlobalDefaultAddressSpace: string;
}

/** Data may name the gateway, which the engine then does not ask for. */
export interface PoolAnswer {
  readonly PoolID: string;
  readonly Pool: string;
  readonly Data: Readonly<Record<string, string>>;
}

/** CIDR; its length is what the interface gets. */
export interface AddressAnswer {
  readonly Address: string;
  readonly Data: Readonly<Record<string, never>>;
}

/** What the plugin is able to be. */
export interface ActivateAnswer {
  readonly Implements: readonly string[];
}

/** Scope of the networks and of their addresses. */
export interface CapabilitiesAnswer {
  readonly Scope: "local" | "global";
  readonly ConnectivityScope: "local" | "global";
}

/** Options that the engine hands to CreateNetwork on the nodes. */
export interface AllocateNetworkAnswer {
  readonly Options: Readonly<Record<string, string>>;
}

/** Holds only fields that the request left empty. */
export interface CreateEndpointAnswer {
  readonly Interface?: Partial<EndpointInterface>;
}

/** Engines ignore what they find in Value. */
export interface EndpointInfoAnswer {
  readonly Value: Readonly<Record<string, never>>;
}

/** RouteType 0 goes through NextHop, 1 is on the link. */
export interface StaticRouteAnswer {
  readonly Destination: string;
  readonly RouteType: 0 | 1;
  readonly NextHop: string;
}

/** How the engine shall furnish the sandbox; gateways are plain addresses. */
export interface JoinAnswer {
  readonly InterfaceName?: { readonly SrcName: string; readonly DstPrefix: string; readonly DstName?: string };
  readonly Gateway?: string;
  readonly GatewayIPv6?: string;
  readonly StaticRoutes?: readonly StaticRouteAnswer[];
  readonly DisableGatewayService?: boolean;
}

/** Err is read in answers of a network driver, Error in those of an IPAM driver. */
export interface FailureAnswer {
  readonly Err: string;
  readonly Error: string;
}

/** @throws FairwayError FW5001 naming the first field that has the wrong shape. */
export function understand<Schema extends z.ZodType>(schema: Schema, content: unknown): z.output<Schema> {
  const result = schema.safeParse(content);
  if (result.success) {
    return result.data;
  }
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".").slice(0, 100) ?? "";
  throw new FairwayError({
    code: "FW5001",
    what: `${path === "" ? "the request" : `request field ${JSON.stringify(path)}`} has the wrong shape`,
    why: issue?.message ?? "it is not a plugin request",
  });
}
