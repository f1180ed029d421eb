import type { ContainerPort, PortRequest } from "../model/endpoint.ts";
import type { EndpointId, IfName, Mac, NetworkId } from "../model/ids.ts";
import type { InterfaceAddress, IpAddress, Prefix } from "../model/ip.ts";

/**
 * What an engine asks of a network driver, one method per call, in our own nouns.
 *
 * A refusal is a FairwayError; its text reaches the user's terminal. A rejected create or join must leave nothing
 * behind: the engine sends no delete for it (moby libnetwork network.go, createEndpoint). Deletes, leave and revoke
 * are idempotent and take ids that nobody knows; their errors are logged and never reach the engine.
 */
export interface Driver {
  createNetwork(request: CreateNetworkRequest, context: CallContext): Promise<void>;
  deleteNetwork(networkId: NetworkId, context: CallContext): Promise<void>;
  createEndpoint(request: CreateEndpointRequest, context: CallContext): Promise<CreateEndpointReply>;
  /** The engine's EndpointOperInfo: a sign that it still believes in this endpoint. Errors are logged only. */
  endpointInfo(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void>;
  deleteEndpoint(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void>;
  join(request: JoinRequest, context: CallContext): Promise<JoinReply>;
  leave(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void>;
  programExternalConnectivity(request: ProgramRequest, context: CallContext): Promise<void>;
  revokeExternalConnectivity(networkId: NetworkId, endpointId: EndpointId, context: CallContext): Promise<void>;
  /** A delete arrived without saying of what: completes every deletion that was begun. */
  finishDeletes(): Promise<void>;
}

/** What one call brings along besides its content. */
export interface CallContext {
  /** Short random hex, the same in every log line of this call. */
  readonly requestId: string;
  /** Aborts at the deadline and when the engine hangs up. Its reason is a FairwayError FW5006. */
  readonly signal: AbortSignal;
  /**
   * Registers an undo for a call that will succeed. It runs when the success could not be told to the engine, because
   * that hung up or the deadline had passed; last registered, first run. It does not run when the call is rejected.
   */
  onUndelivered(undo: () => Promise<void>): void;
}

/** One IPAM pool of a network. The null IPAM driver gives "0.0.0.0/0" or "::/0" and no gateway. */
export interface PoolData {
  /** "LocalDefault" when the engine itself assigned the pool. */
  readonly addressSpace?: string;
  readonly subnet?: Prefix;
  readonly gateway?: InterfaceAddress;
  /** Addresses that the user reserved with --aux-address, by name. */
  readonly aux: ReadonlyMap<string, IpAddress>;
}

export interface CreateNetworkRequest {
  readonly networkId: NetworkId;
  /** `docker network create -o key=value`, unchecked user text. */
  readonly options: ReadonlyMap<string, string>;
  readonly internal: boolean;
  /** Engines before 28 do not say; then true if the engine assigned an IPv4 pool. */
  readonly ipv4Enabled: boolean;
  readonly ipv6Enabled: boolean;
  readonly ipv4: readonly PoolData[];
  readonly ipv6: readonly PoolData[];
}

export interface CreateEndpointRequest {
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
  readonly ipv4?: InterfaceAddress;
  readonly ipv6?: InterfaceAddress;
  readonly mac?: Mac;
  /** The MAC address was typed by the user, not made up by an IPAM driver. */
  readonly macFromUser: boolean;
  /**
   * `--driver-opt key=value`, unchecked user text, plus the engine's own textual options that the wire room does not
   * interpret, such as com.docker.network.endpoint.ifname. A newer engine may add com.docker.network.* keys.
   */
  readonly options: ReadonlyMap<string, string>;
  /** Information only: publish in programExternalConnectivity. */
  readonly ports: readonly PortRequest[];
}

/** Only what the request left open; the engine refuses an answer that repeats what it sent. */
export interface CreateEndpointReply {
  readonly interface?: {
    readonly address?: InterfaceAddress;
    readonly addressIpv6?: InterfaceAddress;
    readonly mac?: Mac;
  };
}

export interface JoinRequest {
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
  /** Path of the sandbox's network namespace: compare it, never open it. */
  readonly sandboxKey: string;
  /** Ports of the whole container, not of this endpoint. Publish in programExternalConnectivity. */
  readonly ports: readonly PortRequest[];
  /** What the container says it listens on: its image's EXPOSE, --expose, and what it publishes. */
  readonly exposed: readonly ContainerPort[];
}

export interface JoinReply {
  /** Absent: the engine moves no interface. */
  readonly interface?: {
    /** Host-side name of the interface that the engine moves into the sandbox. */
    readonly srcName: IfName;
    /** The engine appends the lowest free number. */
    readonly dstPrefix: string;
    /** Exact name instead of prefix and number; engines up to 29.7.2 ignore it. */
    readonly dstName?: IfName;
  };
  readonly gateway?: IpAddress;
  readonly gatewayIpv6?: IpAddress;
  readonly staticRoutes: readonly StaticRoute[];
  /** True: the engine never adds its own bridge to the container because of this endpoint. */
  readonly disableGatewayService: boolean;
}

/** Without a next hop the destination is on the link itself. */
export interface StaticRoute {
  readonly destination: Prefix;
  readonly nextHop?: IpAddress;
}

export interface ProgramRequest {
  readonly networkId: NetworkId;
  readonly endpointId: EndpointId;
  readonly ports: readonly PortRequest[];
}
