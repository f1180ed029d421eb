import type { AddressRequest, PoolRequest } from "../ipam/ipam.ts";
import { parseMac } from "../model/ids.ts";
import { type IpAddress, parseIpAddress, parsePrefix } from "../model/ip.ts";
import { labels } from "./labels.ts";
import { textualOptions } from "./parse-options.ts";
import type { AddressOnly, RequestAddress, RequestPool } from "./schemas.ts";

/** @throws FairwayError FW3003 for a subnet that is none. */
export function parsePoolRequest({ Pool, SubPool, V6, Options }: RequestPool): PoolRequest {
  return {
    ...(Pool === "" ? {} : { subnet: parsePrefix(Pool) }),
    ...(SubPool === "" ? {} : { range: parsePrefix(SubPool, "range") }),
    ipv6: V6,
    options: textualOptions(Options),
  };
}

/** @throws FairwayError FW3003 for an address that is none, FW1002 for a MAC address. */
export function parseAddressRequest({ PoolID, Address, Options }: RequestAddress): AddressRequest {
  const texts = textualOptions(Options);
  const [name, mac] = [texts.get(labels.endpointName), texts.get(labels.macAddress)];
  return {
    poolId: PoolID,
    ...(Address === "" ? {} : { address: parseIpAddress(Address) }),
    isGateway: texts.get(labels.requestAddressType) === labels.gateway,
    ...(name === undefined || name === "" ? {} : { name }),
    ...(mac === undefined || mac === "" ? {} : { mac: parseMac(mac) }),
  };
}

export function parseAddressRelease({ PoolID, Address }: AddressOnly): { poolId: string; address: IpAddress } {
  return { poolId: PoolID, address: parseIpAddress(Address) };
}
