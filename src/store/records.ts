/** Stored records are parsed, never trusted: an older version or a damaged disk may have written them. */
import { z } from "zod";
import type { HostIdentity, OwnedBlock } from "../model/block.ts";
import type { Endpoint, Publication } from "../model/endpoint.ts";
import { parseEndpointId, parseIfName, parseMac, parseNetworkId } from "../model/ids.ts";
import { parseInterfaceAddress, parseIpAddress, parsePrefix } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import type { AddressPool, Lease } from "../model/pool.ts";
import type { HostSetting } from "../model/setting.ts";

const networkId = z.string().transform((text) => parseNetworkId(text));
const endpointId = z.string().transform((text) => parseEndpointId(text));
const ifName = z.string().transform((text) => parseIfName(text, "interface name"));
const mac = z.string().transform((text) => parseMac(text));
const address = z.string().transform((text) => parseIpAddress(text));
const interfaceAddress = z.string().transform((text) => parseInterfaceAddress(text));
const port = z.int().min(1).max(65_535);

const prefix = z.string().transform((text) => parsePrefix(text));

const pool = z.object({
  subnet: prefix,
  gateway: interfaceAddress.optional(),
});

const networkBase = z.object({
  id: networkId,
  state: z.enum(["creating", "ready", "deleting"]),
  internal: z.boolean(),
  ipv4: z.array(pool),
  ipv6: z.array(pool),
  ifNamePrefix: z.string(),
  mtu: z.int(),
});

const bridgeNetwork = networkBase.extend({
  mode: z.literal("bridge"),
  bridge: ifName,
  bridgeMac: mac,
  icc: z.boolean(),
  masquerade: z.boolean(),
  snatIpv4: address.optional(),
  snatIpv6: address.optional(),
  publishAddresses: z.array(address),
});

const hostNetwork = networkBase.extend({
  mode: z.literal("host"),
  gatewayIpv4: address,
  gatewayIpv6: address,
  parent: ifName.optional(),
  hostAddresses: z.array(address),
  claim: z.enum(["exposed", "published"]),
  dynamicPorts: z.object({ first: port, last: port }),
  sharedIpv4: address.optional(),
  sharedIpv6: address.optional(),
  moving: z.object({ sharedIpv4: address.optional(), sharedIpv6: address.optional() }).optional(),
});

const routedNetwork = networkBase.extend({
  mode: z.literal("routed"),
  gatewayIpv4: address,
  gatewayIpv6: address,
  icc: z.boolean(),
  reachable: z.enum(["published", "all"]),
  announce: z.enum(["block", "address", "healthy", "none"]),
  egressNat: z.boolean(),
  flatSpace: z.array(prefix),
});

const division = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("fixed"), block: prefix }),
  z.object({ kind: z.literal("cluster"), blockLength: z.int().min(1).max(128), borrow: z.boolean() }),
]);

const ownedBlock = z.object({
  subnet: prefix,
  block: prefix,
  epoch: z.int().min(1),
  state: z.enum(["owned", "returning"]),
  offered: prefix.optional(),
  lent: z.array(address).optional(),
});

const identity = z.object({
  hostId: z.uuid(),
  epoch: z.int().min(1),
  contact: z.object({ wallMs: z.number(), uptimeMs: z.number(), bootId: z.string() }).optional(),
  seenWallMs: z.number(),
});

const addressPool = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("subnet"),
    id: z.string(),
    subnet: prefix,
    range: prefix.optional(),
    division: division.optional(),
  }),
  z.object({ kind: z.literal("shared"), id: z.string(), family: z.enum(["ipv4", "ipv6"]), gateway: address }),
]);

const lease = z.object({
  poolId: z.string(),
  address,
  use: z.enum(["container", "reserved"]),
  holder: z.string().optional(),
  borrowedFrom: prefix.optional(),
  releasedAtMs: z.number().optional(),
});

const setting = z.object({
  name: z.string(),
  /** Becomes a path below /proc/sys. */
  path: z.array(z.string().regex(/^(?!\.+$)[^/]+$/)),
  was: z.string(),
  now: z.string(),
});

/** Addresses of publications are canonical text that we wrote; parsing thousands of them again would slow a start. */
const publication = z.object({
  protocol: z.enum(["tcp", "udp", "sctp"]),
  hostAddress: z.string(),
  hostPortFirst: port,
  hostPortLast: port,
  containerAddress: z.string(),
  containerPort: port,
  isOwn: z.literal(true).optional(),
});

const publications = z.array(publication.transform((value) => value as Publication));

const endpoint = z.object({
  id: endpointId,
  networkId,
  state: z.enum(["created", "joined"]),
  ipv4: interfaceAddress.optional(),
  ipv6: interfaceAddress.optional(),
  mac,
  hostIf: ifName,
  sandboxIf: ifName,
  ifName: ifName.optional(),
  sandboxKey: z.string().optional(),
  publications,
  claims: publications.optional(),
  healthy: z.boolean().optional(),
  standIn: z.int().min(1).optional(),
});

/** @throws ZodError, SyntaxError or FairwayError when the text is not a record of ours. */
export function parseNetworkRecord(json: string): Network {
  return z.discriminatedUnion("mode", [bridgeNetwork, hostNetwork, routedNetwork]).parse(JSON.parse(json)) as Network;
}

export function parsePoolRecord(json: string): AddressPool {
  return addressPool.parse(JSON.parse(json)) as AddressPool;
}

export function parseLeaseRecord(json: string): Lease {
  return lease.parse(JSON.parse(json)) as Lease;
}

export function parseBlockRecord(json: string): OwnedBlock {
  return ownedBlock.parse(JSON.parse(json)) as OwnedBlock;
}

export function parseIdentityRecord(json: string): HostIdentity {
  return identity.parse(JSON.parse(json)) as HostIdentity;
}

export function parseSettingRecord(json: string): HostSetting {
  return setting.parse(JSON.parse(json));
}

export function parseEndpointRecord(json: string): Endpoint {
  return endpoint.parse(JSON.parse(json)) as Endpoint;
}
