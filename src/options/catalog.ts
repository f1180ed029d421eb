/**
 * Every option of fairway, as data. Parsers, error texts and docs/options.md are made from it.
 *
 * An option has a short key for people and, where Docker has one, the standard `com.docker.network.*` name, so that
 * existing compose files keep working (names: moby, libnetwork/netlabel and libnetwork/drivers/bridge/labels.go).
 */
import { z } from "zod";
import {
  booleanValue,
  ifNamePrefixValue,
  ifNameValue,
  integerValue,
  portRangeValue,
  prefixesValue,
  publishAddressesValue,
  sharedAddressesValue,
  sourceAddressValue,
  type ValueSchema,
  wordValue,
} from "./values.ts";

/** Modes of this version. */
export const availableModes = ["bridge", "host", "routed"] as const;
export type Mode = (typeof availableModes)[number];
/** Words kept for modes to come; asking for one is answered with FW1004. */
export const reservedModes: readonly string[] = ["overlay"];

export type OptionScope = "network" | "endpoint";

/** Either a value in the option's own syntax, or words about where the value comes from. */
export type OptionDefault = { readonly value: string } | { readonly text: string };

export interface OptionEntry<T = unknown> {
  readonly aliases: readonly string[];
  readonly scope: OptionScope;
  readonly modes: readonly Mode[];
  readonly value: ValueSchema<T>;
  readonly default: OptionDefault;
  /** One line. */
  readonly doc: string;
  readonly example: string;
}

export type OptionEntries = Readonly<Record<string, OptionEntry>>;

/** What a catalogue parses to. Options without a default value may be absent. */
export type OptionValues<E extends OptionEntries> = {
  readonly [K in keyof E]: z.output<E[K]["value"]> | (E[K]["default"] extends { value: string } ? never : undefined);
};

/** The mode is resolved before its value is judged, so any word is a value here. */
const modeValue: ValueSchema<string> = z.string().describe("bridge, host or routed (later versions: overlay)");

export const networkCatalog = {
  mode: {
    aliases: [],
    scope: "network",
    modes: availableModes,
    value: modeValue,
    default: { value: "bridge" },
    doc: "How containers reach the world: `bridge` is a private subnet behind this host, `host` is the host's own address, `routed` is a flat address for each container.",
    example: "mode=bridge",
  },
  mtu: {
    aliases: ["com.docker.network.driver.mtu"],
    scope: "network",
    modes: availableModes,
    value: integerValue(68, 65535),
    default: { text: "MTU of the interface with the default route, or of `parent`" },
    doc: "Largest packet in bytes. At least 1280 when the network has IPv6 (RFC 8200).",
    example: "mtu=1450",
  },
  bridge_name: {
    aliases: ["com.docker.network.bridge.name"],
    scope: "network",
    modes: ["bridge"],
    value: ifNameValue,
    default: { text: "derived from the network id" },
    doc: "Name of the bridge interface on the host. It must not exist yet.",
    example: "bridge_name=br-shop",
  },
  icc: {
    aliases: ["com.docker.network.bridge.enable_icc"],
    scope: "network",
    modes: ["bridge", "routed"],
    value: booleanValue,
    default: { value: "true" },
    doc: "Inter-container communication: may containers of this network reach each other directly? With `false`, only published ports.",
    example: "icc=false",
  },
  masquerade: {
    aliases: ["com.docker.network.bridge.enable_ip_masquerade"],
    scope: "network",
    modes: ["bridge"],
    value: booleanValue,
    default: { value: "true" },
    doc: "Outbound traffic carries an address of the host. Switch it off where routers know the subnet.",
    example: "masquerade=false",
  },
  snat_ipv4: {
    aliases: ["com.docker.network.host_ipv4"],
    scope: "network",
    modes: ["bridge"],
    value: sourceAddressValue("ipv4"),
    default: { text: "address of the outgoing interface" },
    doc: "Source address of outbound IPv4 traffic.",
    example: "snat_ipv4=192.0.2.10",
  },
  snat_ipv6: {
    aliases: ["com.docker.network.host_ipv6"],
    scope: "network",
    modes: ["bridge"],
    value: sourceAddressValue("ipv6"),
    default: { text: "address of the outgoing interface" },
    doc: "Source address of outbound IPv6 traffic.",
    example: "snat_ipv6=2001:db8::10",
  },
  publish_address: {
    aliases: ["com.docker.network.bridge.host_binding_ipv4"],
    scope: "network",
    modes: ["bridge"],
    value: publishAddressesValue,
    default: { text: "all addresses of the host" },
    doc: "Host addresses for published ports that name none. `0.0.0.0` is all IPv4, `::` all IPv6.",
    example: "publish_address=192.0.2.10,2001:db8::10",
  },
  parent: {
    aliases: [],
    scope: "network",
    modes: ["host"],
    value: ifNameValue,
    default: { text: "the interface with the default route" },
    doc: "Interface of the host whose addresses the containers share.",
    example: "parent=eth1",
  },
  host_ip: {
    aliases: [],
    scope: "network",
    modes: ["host"],
    value: sharedAddressesValue,
    default: { text: "the first addresses of `parent`" },
    doc: "Addresses of the host that the containers share: one IPv4 address, one IPv6 address, or both.",
    example: "host_ip=192.0.2.10,2001:db8::10",
  },
  claim: {
    aliases: [],
    scope: "network",
    modes: ["host"],
    value: wordValue(["exposed", "published"]),
    default: { value: "exposed" },
    doc: "Which ports of a container are the host's ports of the same number: all that it exposes or publishes, or only what `-p` says.",
    example: "claim=published",
  },
  dynamic_ports: {
    aliases: [],
    scope: "network",
    modes: ["host"],
    value: portRangeValue,
    default: { value: "20000-32000" },
    doc: "Host ports for `-p 80`, which names none.",
    example: "dynamic_ports=40000-40999",
  },
  reachable: {
    aliases: [],
    scope: "network",
    modes: ["routed"],
    value: wordValue(["published", "all"]),
    default: { value: "published" },
    doc: "Which ports of a container others than its own network reach: what `-p` says, or all.",
    example: "reachable=all",
  },
  announce: {
    aliases: [],
    scope: "network",
    modes: ["routed"],
    value: wordValue(["block", "address", "healthy", "none"]),
    default: { value: "block" },
    doc: "What a routing daemon is offered: this host's blocks of the subnet, each container's address, each address while its container's health check passes, or nothing.",
    example: "announce=address",
  },
  egress_nat: {
    aliases: [],
    scope: "network",
    modes: ["routed"],
    value: booleanValue,
    default: { value: "false" },
    doc: "Traffic that leaves the flat space carries an address of the host: internet access for private addresses.",
    example: "egress_nat=true",
  },
  flat_space: {
    aliases: [],
    scope: "network",
    modes: ["routed"],
    value: prefixesValue,
    default: { text: "the private address space (RFC 1918, RFC 6598, RFC 4193)" },
    doc: "With `egress_nat`: destinations that see the container's own address all the same.",
    example: "flat_space=10.0.0.0/8,fd00::/8",
  },
  ifname_prefix: {
    aliases: ["com.docker.network.container_iface_prefix"],
    scope: "network",
    modes: availableModes,
    value: ifNamePrefixValue,
    default: { value: "eth" },
    doc: "How interface names in containers begin; the engine appends a number.",
    example: "ifname_prefix=lan",
  },
} as const satisfies OptionEntries;

export const endpointCatalog = {
  ifname: {
    aliases: ["com.docker.network.endpoint.ifname"],
    scope: "endpoint",
    modes: availableModes,
    value: ifNameValue,
    default: { text: "the network's `ifname_prefix` and a number" },
    doc: "Exact name of the interface in the container. The engine sets it: up to Docker 29.7 it uses prefix and number instead.",
    example: "ifname=wan0",
  },
} as const satisfies OptionEntries;
