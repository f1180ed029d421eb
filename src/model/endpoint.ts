import type { EndpointId, IfName, Mac, NetworkId } from "./ids.ts";
import type { InterfaceAddress, IpAddress } from "./ip.ts";

export type Protocol = "tcp" | "udp" | "sctp";

/** What the user asked for with `-p`, one per container port, as the engine sends it. */
export interface PortRequest {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** Absent: every address of the host (or the network's default). */
  readonly hostAddress?: IpAddress;
  /** 0 and 0: any free port. first < last: any free one of the range. */
  readonly hostPortFirst: number;
  readonly hostPortLast: number;
}

/** A run of published ports that keep their distance: host port `first + i` leads to `containerPort + i`. */
export interface Publication {
  readonly protocol: Protocol;
  /** "0.0.0.0" or "::" for all addresses of the family. */
  readonly hostAddress: IpAddress;
  readonly hostPortFirst: number;
  readonly hostPortLast: number;
  readonly containerAddress: IpAddress;
  readonly containerPort: number;
  /** The address is the container's own, so that no port of the host is taken for it. */
  readonly isOwn?: true;
}

/** A port of a container, as an image's EXPOSE or a published port names it. */
export interface ContainerPort {
  readonly protocol: Protocol;
  readonly port: number;
}

/**
 * created: the engine knows it, the kernel does not. joined: attached to a sandbox.
 * No state for deletion: a record that is gone is the tombstone, and the sweeper finds what it left.
 */
export type EndpointState = "created" | "joined";

export interface Endpoint {
  readonly id: EndpointId;
  readonly networkId: NetworkId;
  readonly state: EndpointState;
  readonly ipv4?: InterfaceAddress;
  readonly ipv6?: InterfaceAddress;
  readonly mac: Mac;
  /** Host side of the veth pair. */
  readonly hostIf: IfName;
  /** Container side until the engine renames it. */
  readonly sandboxIf: IfName;
  /** Exact name wanted inside the sandbox. */
  readonly ifName?: IfName;
  /** The engine's handle of the sandbox; compared, never opened. */
  readonly sandboxKey?: string;
  /** What `-p` asked for. */
  readonly publications: readonly Publication[];
  /**
   * What is the container's for as long as the endpoint is joined. Mode host: ports of the host at the same number. Mode
   * routed: ports of its own addresses that everybody reaches.
   */
  readonly claims?: readonly Publication[];
  /** Mode routed: the engine's health check passes. Not kept over a restart of the container. */
  readonly healthy?: boolean;
  /** Mode host: number of the stand-in addresses, see plan/stand-in.ts. */
  readonly standIn?: number;
}
