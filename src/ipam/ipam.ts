import type { Mac } from "../model/ids.ts";
import type { InterfaceAddress, IpAddress, Prefix } from "../model/ip.ts";

/**
 * What an engine asks of an IPAM driver, one method per call, in our own nouns. A refusal is a FairwayError. Releases
 * take what nobody knows.
 */
export interface Ipam {
  /**
   * An engine has (re)started: what it still believes in, it asks for again, by the same words, before anything new
   * (moby libnetwork controller.go, reservePools). What it does not repeat is nobody's.
   */
  beginReplay(): void;
  requestPool(request: PoolRequest): Promise<PoolReply>;
  releasePool(poolId: string): Promise<void>;
  requestAddress(request: AddressRequest): Promise<InterfaceAddress>;
  releaseAddress(poolId: string, address: IpAddress): Promise<void>;
}

export interface PoolRequest {
  /** Absent: the user named none. */
  readonly subnet?: Prefix;
  /** `--ip-range`. */
  readonly range?: Prefix;
  readonly ipv6: boolean;
  /** `--ipam-opt`, unchecked user text. */
  readonly options: ReadonlyMap<string, string>;
}

export interface PoolReply {
  readonly poolId: string;
  readonly subnet: Prefix;
  /** Decided here; absent: the engine asks for one. */
  readonly gateway?: InterfaceAddress;
}

export interface AddressRequest {
  readonly poolId: string;
  /** Absent: any free one. */
  readonly address?: IpAddress;
  readonly isGateway: boolean;
  /** Name of the endpoint, which is the container's; engines from 29 on tell it. */
  readonly name?: string;
  /** Told by engines that were asked to, and then often made up for this one start. */
  readonly mac?: Mac;
}
