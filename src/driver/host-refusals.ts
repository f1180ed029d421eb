/** Why a network cannot share the host's address, each time with the command that would work. */
import { FairwayError } from "../errors.ts";
import type { IpAddress, Prefix } from "../model/ip.ts";
import { localAddressSpace } from "../model/pool.ts";
import type { HostAddress } from "../plan/specs.ts";
import type { CreateNetworkRequest } from "./driver.ts";

export function refuseInternal(request: CreateNetworkRequest): void {
  if (request.internal) {
    throw new FairwayError({
      code: "FW1003",
      what: "mode=host and --internal contradict each other",
      why: "an internal network has no way in or out, and the host's address is one",
      fix: "leave out --internal, or choose mode=bridge",
    });
  }
}

/** The engine's own IPAM gives every container another address, and a driver cannot change what the engine gave. */
export function refuseEngineIpam(request: CreateNetworkRequest): void {
  if ([...request.ipv4, ...request.ipv6].some(({ addressSpace }) => addressSpace === "LocalDefault")) {
    throw new FairwayError({
      code: "FW3009",
      what: "mode=host needs --ipam-driver fairway",
      why: "the engine's own address management would give each container an address that is not the host's",
      fix: `type: ${command(request, {})} (compose: ipam: { driver: fairway })`,
    });
  }
}

export function refuseSubnet(request: CreateNetworkRequest, subnet: Prefix): never {
  throw new FairwayError({
    code: "FW3009",
    what: `subnet ${subnet} is not an address of this host`,
    why: "in mode host, containers have the host's own address and no subnet of their own",
    fix: `type: ${command(request, {})}`,
  });
}

/** @throws FairwayError FW3009 unless the host has the address, FW1003 when another interface than the parent has it. */
export function refuseStranger(
  request: CreateNetworkRequest,
  address: IpAddress,
  parent: string | undefined,
  present: readonly HostAddress[],
): void {
  const found = present.find((at) => at.address === address);
  if (found === undefined) {
    const atParent = present.find(({ device }) => device === parent);
    const other = atParent ?? present[0];
    throw new FairwayError({
      code: "FW3009",
      what: `${address} is not an address of this host`,
      why: `its addresses are ${present.map((at) => at.address).join(", ") || "none"}`,
      fix:
        other === undefined
          ? "give the host an address first"
          : `type: ${command(request, { host_ip: other.address, ...(atParent === undefined ? { parent: undefined } : {}) })}`,
    });
  }
  if (parent !== undefined && found.device !== parent) {
    throw new FairwayError({
      code: "FW1003",
      what: `options parent=${parent} and host_ip=${address} contradict each other`,
      why: `${address} is on interface ${found.device}`,
      fix: `type: ${command(request, { parent: undefined })}`,
    });
  }
}

export function refuseWithoutAddress(
  request: CreateNetworkRequest,
  parent: string | undefined,
  { addresses, uplink }: { readonly addresses: readonly HostAddress[]; readonly uplink: string | undefined },
): never {
  const device = parent ?? uplink;
  const other = addresses[0];
  throw new FairwayError({
    code: "FW3009",
    what:
      device === undefined
        ? "this host has no default route, so it is not clear which address to share"
        : `interface ${device} has no address that containers could share`,
    why: `addresses that they could: ${addresses.map((at) => `${at.address} on ${at.device}`).join(", ") || "none"}`,
    fix:
      other === undefined
        ? "give the host an address first"
        : `type: ${command(request, { parent: other.device, host_ip: undefined })}`,
  });
}

/** Our IPAM driver would have no address to give when the engine asks for one of that family. */
export function refuseMissingFamily(
  request: CreateNetworkRequest,
  shared: { readonly ipv4?: IpAddress; readonly ipv6?: IpAddress },
): void {
  const isAsked = (pools: CreateNetworkRequest["ipv4"]) =>
    pools.some(({ addressSpace }) => addressSpace === localAddressSpace);
  const missing = [
    ...(isAsked(request.ipv4) && shared.ipv4 === undefined ? ["IPv4"] : []),
    ...(isAsked(request.ipv6) && shared.ipv6 === undefined ? ["IPv6"] : []),
  ];
  if (missing.length > 0) {
    // The null driver asks for nothing, so that each container gets what the host has.
    const ipam = missing.includes("IPv4") ? "null" : "fairway";
    throw new FairwayError({
      code: "FW3009",
      what: `this host has no ${missing.join(" and no ")} address to share`,
      why: "the engine would ask for one for each container",
      fix: `type: ${command(request, {}, ipam)}`,
    });
  }
}

/** The user's own command, put right. The engine does not tell a driver the network's name. */
function command(
  request: CreateNetworkRequest,
  changes: Readonly<Record<string, string | undefined>>,
  ipam: "fairway" | "null" = "fairway",
): string {
  const options = new Map<string, string | undefined>([...request.options, ...Object.entries(changes)]);
  options.set("mode", "host");
  const words = [...options].flatMap(([key, value]) => (value === undefined ? [] : [`-o ${plain(`${key}=${value}`)}`]));
  return [`docker network create -d fairway --ipam-driver ${ipam}`, ...words, "NAME"].join(" ");
}

/** For a shell. */
function plain(word: string): string {
  return /^[\w.:,=/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
