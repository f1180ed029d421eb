/**
 * Docker's standard keys that are no options of ours. Each has an answer: a key that is silently ignored is a promise
 * not kept. Names: moby, libnetwork/netlabel/labels.go and libnetwork/drivers/bridge/labels.go.
 */
import { FairwayError } from "../errors.ts";
import type { OptionScope } from "./catalog.ts";
import { quote } from "./quote.ts";
import { booleanValue } from "./values.ts";

export const standardPrefix = "com.docker.network.";

export interface StandardKey {
  readonly key: string;
  readonly scope: OptionScope;
  /** One line for the reference: what happens with it. */
  readonly doc: string;
  /** @throws FairwayError for values that ask for something we do not do. Absent: any value is fine. */
  readonly check?: (value: string) => void;
}

const byEngine = "The engine acts on it; fairway has nothing to do.";

function engineKey(scope: OptionScope, name: string): StandardKey {
  return { key: `${standardPrefix}${name}`, scope, doc: byEngine };
}

/** A feature of Docker's bridge driver that is off here and cannot be switched on. */
function offOnly(name: string, reason: string): StandardKey {
  const key = `${standardPrefix}${name}`;
  return {
    key,
    scope: "network",
    doc: `Only \`false\`: ${reason}.`,
    check: (value) => {
      if (booleanValue.safeParse(value).data !== false) {
        throw notOffered(key, value, reason);
      }
    },
  };
}

function refused(name: string, reason: string): StandardKey {
  const key = `${standardPrefix}${name}`;
  return {
    key,
    scope: "network",
    doc: `Refused: ${reason}.`,
    check: (value) => {
      throw notOffered(key, value, reason);
    },
  };
}

function notOffered(key: string, value: string, reason: string): FairwayError {
  return new FairwayError({
    code: "FW1002",
    what: `option ${key} cannot be ${quote(value)}`,
    why: reason,
    fix: "leave the option out",
  });
}

const otherGatewayModes = ["nat-unprotected", "routed", "isolated"];

function gatewayMode(family: "ipv4" | "ipv6"): StandardKey {
  const key = `${standardPrefix}bridge.gateway_mode_${family}`;
  return {
    key,
    scope: "network",
    doc: "Only `nat`, which is what mode `bridge` does.",
    check: (value) => {
      if (value !== "nat") {
        throw gatewayModeRefused(key, value);
      }
    },
  };
}

function gatewayModeRefused(key: string, value: string): FairwayError {
  if (!otherGatewayModes.includes(value)) {
    return new FairwayError({
      code: "FW1002",
      what: `option ${key}: ${quote(value)} is not a gateway mode`,
      fix: `write ${key}=nat, or leave the option out`,
    });
  }
  return new FairwayError({
    code: "FW1004",
    what: `gateway mode ${quote(value)} is not available in this version (option ${key})`,
    why: "mode bridge translates addresses; mode routed does not",
    fix: value === "isolated" ? "create the network with --internal" : `write mode=routed in place of ${key}`,
  });
}

export const standardKeys: readonly StandardKey[] = [
  engineKey("network", "enable_ipv4"),
  engineKey("network", "enable_ipv6"),
  engineKey("network", "internal"),
  engineKey("network", "advertise_addr_nmsgs"),
  engineKey("network", "advertise_addr_ms"),
  gatewayMode("ipv4"),
  gatewayMode("ipv6"),
  offOnly("bridge.default_bridge", "it marks docker0, which belongs to Docker's own bridge driver"),
  offOnly("bridge.inhibit_ipv4", "containers need the gateway address that it takes off the bridge"),
  refused(
    "bridge.trusted_host_interfaces",
    "containers are reached through published ports only, whichever interface the traffic comes from",
  ),
  refused("bridge.firewalld_zone", "fairway has its own nftables table and puts no bridge into a firewalld zone"),
  engineKey("endpoint", "endpoint.sysctls"),
  engineKey("endpoint", "endpoint.dnsservers"),
  engineKey("endpoint", "endpoint.macaddress"),
  engineKey("endpoint", "endpoint.exposedports"),
  engineKey("endpoint", "endpoint.name"),
  engineKey("endpoint", "portmap"),
  engineKey("endpoint", "driver.private.no_proxy_6to4"),
];
