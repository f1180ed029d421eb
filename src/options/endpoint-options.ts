import type { IfName } from "../model/ids.ts";
import type { endpointCatalog, OptionValues } from "./catalog.ts";
import { readOptions } from "./reader.ts";

export interface EndpointOptions {
  /** Exact interface name in the container; absent: prefix and number. */
  readonly ifName?: IfName;
}

/**
 * @param options driver options of one connection. `docker run --network name=…,driver-opt=…` lower-cases keys and
 * values; `docker network connect --driver-opt` and compose keep them (docker/cli, opts/network.go).
 * @throws FairwayError FW1001, FW1002, FW1003.
 */
export function parseEndpointOptions(options: ReadonlyMap<string, string>): EndpointOptions {
  const values = readOptions(options, "endpoint") as OptionValues<typeof endpointCatalog>;
  return values.ifname === undefined ? {} : { ifName: values.ifname };
}
