import type { IfName, Mac, NetworkId } from "./ids.ts";
import type { InterfaceAddress, IpAddress, Prefix } from "./ip.ts";

/** A subnet of a network, with the address that the host holds in it. */
export interface Pool {
  readonly subnet: Prefix;
  /** Host address on the bridge; absent when the engine assigned none. */
  readonly gateway?: InterfaceAddress;
}

/** creating, deleting: recorded, and under way; whoever finds it after a crash takes it away. */
export type NetworkState = "creating" | "ready" | "deleting";

interface NetworkBase {
  readonly id: NetworkId;
  readonly state: NetworkState;
  /** No way out or in: no gateway, no published ports. */
  readonly internal: boolean;
  readonly ipv4: readonly Pool[];
  readonly ipv6: readonly Pool[];
  /** Name prefix of the interface inside the sandbox; the engine appends a number. */
  readonly ifNamePrefix: string;
  readonly mtu: number;
}

/** Linux bridge, subnet, masquerade, published ports. */
export interface BridgeNetwork extends NetworkBase {
  readonly mode: "bridge";
  readonly bridge: IfName;
  readonly bridgeMac: Mac;
  /** Inter-container communication: may containers of this network reach each other directly? */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Source address of outbound traffic instead of the uplink's. */
  readonly snatIpv4?: IpAddress;
  readonly snatIpv6?: IpAddress;
  /** Host addresses where ports are published that name none. Empty: all. */
  readonly publishAddresses: readonly IpAddress[];
}

/** One variant per mode; `mode` discriminates. */
export type Network = BridgeNetwork;
