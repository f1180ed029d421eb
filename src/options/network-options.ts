import { FairwayError } from "../errors.ts";
import type { IfName } from "../model/ids.ts";
import { familyOf, type IpAddress, isUnspecified, type Prefix } from "../model/ip.ts";
import type { AnnounceKind, ClaimKind, PortRange, ReachableKind } from "../model/network.ts";
import { availableModes, type Mode, type networkCatalog, type OptionValues, reservedModes } from "./catalog.ts";
import { quote } from "./quote.ts";
import { readOptions } from "./reader.ts";
import { suggest } from "./suggest.ts";

export interface BridgeOptions {
  readonly mode: "bridge";
  /** Bytes; absent: as the uplink. */
  readonly mtu?: number;
  /** Absent: derived from the network id. */
  readonly bridgeName?: IfName;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly snatIpv4?: IpAddress;
  readonly snatIpv6?: IpAddress;
  /** Empty: all addresses of the host. */
  readonly publishAddresses: readonly IpAddress[];
  readonly ifNamePrefix: string;
}

export interface HostOptions {
  readonly mode: "host";
  /** Bytes; absent: as the parent. */
  readonly mtu?: number;
  /** Absent: the interface with the default route. */
  readonly parent?: IfName;
  /** At most one per family. Empty: the parent's first ones. */
  readonly hostAddresses: readonly IpAddress[];
  readonly claim: ClaimKind;
  readonly dynamicPorts: PortRange;
  readonly ifNamePrefix: string;
}

export interface RoutedOptions {
  readonly mode: "routed";
  /** Bytes; absent: as the uplink. */
  readonly mtu?: number;
  readonly icc: boolean;
  readonly reachable: ReachableKind;
  readonly announce: AnnounceKind;
  readonly egressNat: boolean;
  readonly flatSpace: readonly Prefix[];
  readonly ifNamePrefix: string;
}

/** One variant per mode; `mode` discriminates. */
export type NetworkOptions = BridgeOptions | HostOptions | RoutedOptions;

/** RFC 1918, RFC 6598 and RFC 4193: what the internet cannot answer. */
const privateSpace = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"] as Prefix[];

/** The smallest link that IPv6 runs on, in bytes (RFC 8200 section 5). */
const minimumIpv6MtuBytes = 1280;

/**
 * @param options as the engine sends them in com.docker.network.generic; hostile.
 * @throws FairwayError FW1001, FW1002, FW1003, FW1004.
 */
export function parseNetworkOptions(options: ReadonlyMap<string, string>): NetworkOptions {
  const mode = checkMode(options.get("mode"));
  const values = readOptions(options, "network", mode) as OptionValues<typeof networkCatalog>;
  return optionsOf[mode](values);
}

const optionsOf: Readonly<Record<Mode, (values: OptionValues<typeof networkCatalog>) => NetworkOptions>> = {
  bridge: bridgeOptions,
  host: hostOptions,
  routed: routedOptions,
};

function routedOptions(values: OptionValues<typeof networkCatalog>): RoutedOptions {
  if (values.flat_space !== undefined && !values.egress_nat) {
    throw new FairwayError({
      code: "FW1003",
      what: "option flat_space has no meaning without egress_nat=true",
      why: "without it, every destination sees the container's own address",
      fix: "add -o egress_nat=true, or leave out flat_space",
    });
  }
  return {
    mode: "routed",
    ...(values.mtu === undefined ? {} : { mtu: values.mtu }),
    icc: values.icc,
    reachable: values.reachable,
    announce: values.announce,
    egressNat: values.egress_nat,
    flatSpace: values.egress_nat ? (values.flat_space ?? privateSpace) : [],
    ifNamePrefix: values.ifname_prefix,
  };
}

function hostOptions(values: OptionValues<typeof networkCatalog>): HostOptions {
  return {
    mode: "host",
    ...(values.mtu === undefined ? {} : { mtu: values.mtu }),
    ...(values.parent === undefined ? {} : { parent: values.parent }),
    hostAddresses: values.host_ip ?? [],
    claim: values.claim,
    dynamicPorts: values.dynamic_ports,
    ifNamePrefix: values.ifname_prefix,
  };
}

function bridgeOptions(values: OptionValues<typeof networkCatalog>): BridgeOptions {
  checkSourceAddresses(values);
  const publishAddresses = values.publish_address ?? [];
  checkPublishAddresses(publishAddresses);
  return {
    mode: "bridge",
    ...(values.mtu === undefined ? {} : { mtu: values.mtu }),
    ...(values.bridge_name === undefined ? {} : { bridgeName: values.bridge_name }),
    icc: values.icc,
    masquerade: values.masquerade,
    ...(values.snat_ipv4 === undefined ? {} : { snatIpv4: values.snat_ipv4 }),
    ...(values.snat_ipv6 === undefined ? {} : { snatIpv6: values.snat_ipv6 }),
    publishAddresses,
    ifNamePrefix: values.ifname_prefix,
  };
}

/**
 * A network's options and its address families arrive separately, hence a check of its own.
 * @param mtuBytes as it will be, from the option or the uplink.
 * @throws FairwayError FW1003 when packets of IPv6 cannot fit.
 */
export function checkMtuForIpv6(mtuBytes: number | undefined, ipv6: boolean): void {
  if (ipv6 && mtuBytes !== undefined && mtuBytes < minimumIpv6MtuBytes) {
    throw new FairwayError({
      code: "FW1003",
      what: `mtu ${mtuBytes} is too small for a network with IPv6`,
      why: `IPv6 runs on links of at least ${minimumIpv6MtuBytes} bytes only (RFC 8200)`,
      fix: `write mtu=${minimumIpv6MtuBytes} or more, or create the network without IPv6`,
    });
  }
}

/** Judged before all else: every other option is read in the light of the mode. */
function checkMode(mode = "bridge"): Mode {
  const known: readonly string[] = availableModes;
  const found = availableModes.find((word) => word === mode);
  if (found !== undefined) {
    return found;
  }
  if (reservedModes.includes(mode)) {
    throw new FairwayError({
      code: "FW1004",
      what: `mode ${quote(mode)} is not available in this version`,
      why: `this version has the modes ${known.join(", ")}`,
      fix: "leave the option out or write mode=bridge",
    });
  }
  const meant = suggest(mode, new Map([...known, ...reservedModes].map((word) => [word, word])));
  const good = meant !== undefined && known.includes(meant) ? meant : "bridge";
  throw new FairwayError({
    code: "FW1002",
    what: `option mode: ${quote(mode)} is not a mode${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    fix: `leave the option out or write mode=${good}`,
  });
}

function checkSourceAddresses(values: OptionValues<typeof networkCatalog>): void {
  const option = (["snat_ipv4", "snat_ipv6"] as const).find((key) => values[key] !== undefined);
  if (option !== undefined && !values.masquerade) {
    throw new FairwayError({
      code: "FW1003",
      what: `options masquerade=false and ${option}=${values[option]} contradict each other`,
      why: "without masquerading, packets keep the container's address as their source",
      fix: `leave out masquerade=false or ${option}`,
    });
  }
}

function checkPublishAddresses(addresses: readonly IpAddress[]): void {
  for (const all of addresses.filter(isUnspecified)) {
    const included = addresses.find((address) => address !== all && familyOf(address) === familyOf(all));
    if (included !== undefined) {
      throw new FairwayError({
        code: "FW1003",
        what: `option publish_address has both ${all} and ${included}`,
        why: `${all} is every ${familyOf(all) === "ipv4" ? "IPv4" : "IPv6"} address of the host, ${included} with it`,
        fix: `leave out ${all} or ${included}`,
      });
    }
  }
}
