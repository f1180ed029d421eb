import type { Endpoint } from "../model/endpoint.ts";
import type { Network } from "../model/network.ts";
import { endpointAlias } from "./names.ts";
import type { NextHopLinkSpec } from "./specs.ts";

/** What every pair is, whatever its host side leads to. */
export function pairOf(
  network: Network,
  endpoint: Endpoint,
): Pick<NextHopLinkSpec, "host" | "sandbox" | "sandboxMac" | "mtu" | "alias"> {
  return {
    host: endpoint.hostIf,
    sandbox: endpoint.sandboxIf,
    sandboxMac: endpoint.mac,
    mtu: network.mtu,
    alias: endpointAlias(endpoint.id, network.id),
  };
}
