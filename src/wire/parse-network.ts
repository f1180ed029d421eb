import type { CreateNetworkRequest, PoolData } from "../driver/driver.ts";
import { parseNetworkId } from "../model/ids.ts";
import {
  type Family,
  hostOf,
  type IpAddress,
  parseInterfaceAddress,
  parseIpAddress,
  prefixLengthOf,
  prefixOf,
} from "../model/ip.ts";
import { labels } from "./labels.ts";
import { parseCidr, requireFamily } from "./parse-address.ts";
import { parseFlag, parseGenericOptions } from "./parse-options.ts";
import type { CreateNetwork, IpamData } from "./schemas.ts";

/** @throws FairwayError FW5001, FW1002 for an option that is no text, FW3003 for a pool that is none. */
export function parseCreateNetwork(request: CreateNetwork): CreateNetworkRequest {
  const ipv4 = request.IPv4Data.map((data) => parsePool(data, "ipv4"));
  return {
    networkId: parseNetworkId(request.NetworkID),
    options: parseGenericOptions(request.Options),
    internal: parseFlag(request.Options[labels.internal]) ?? false,
    ipv4Enabled: parseFlag(request.Options[labels.enableIpv4]) ?? ipv4.some(isAssigned),
    ipv6Enabled: parseFlag(request.Options[labels.enableIpv6]) ?? false,
    ipv4,
    ipv6: request.IPv6Data.map((data) => parsePool(data, "ipv6")),
  };
}

/** The null IPAM driver's pool is the whole family. */
function isAssigned(pool: PoolData): boolean {
  return pool.subnet !== undefined && prefixLengthOf(pool.subnet) > 0;
}

function parsePool(data: IpamData, family: Family): PoolData {
  return {
    ...(data.AddressSpace === "" ? {} : { addressSpace: data.AddressSpace }),
    ...(data.Pool === "" ? {} : { subnet: prefixOf(parseCidr(data.Pool, family, "subnet")) }),
    ...(data.Gateway === "" ? {} : { gateway: parseCidr(data.Gateway, family, "gateway") }),
    aux: parseAux(data.AuxAddresses, family),
  };
}

function parseAux(aux: Readonly<Record<string, string>>, family: Family): ReadonlyMap<string, IpAddress> {
  const addresses = new Map<string, IpAddress>();
  for (const [name, text] of Object.entries(aux)) {
    const address = text.includes("/") ? hostOf(parseInterfaceAddress(text)) : parseIpAddress(text);
    addresses.set(name, requireFamily(address, family, "auxiliary address"));
  }
  return addresses;
}
