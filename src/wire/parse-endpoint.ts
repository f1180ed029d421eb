import type { CreateEndpointRequest, JoinRequest, ProgramRequest } from "../driver/driver.ts";
import { FairwayError } from "../errors.ts";
import { type EndpointId, type NetworkId, parseEndpointId, parseMac, parseNetworkId } from "../model/ids.ts";
import { labels } from "./labels.ts";
import { parseCidr } from "./parse-address.ts";
import { parseDriverOptions } from "./parse-options.ts";
import { parseExposed, parsePorts } from "./parse-ports.ts";
import type { CreateEndpoint, EndpointOnly, Join, Program } from "./schemas.ts";

/** PATH_MAX of Linux without its final zero. */
const longestPath = 4095;

/** @throws FairwayError FW5001, FW3003 for an address that is none, FW1002 for a MAC address that is none. */
export function parseCreateEndpoint(request: CreateEndpoint): CreateEndpointRequest {
  const { Address, AddressIPv6, MacAddress } = request.Interface;
  return {
    ...parseEndpointRef(request),
    ...(Address === "" ? {} : { ipv4: parseCidr(Address, "ipv4", "address") }),
    ...(AddressIPv6 === "" ? {} : { ipv6: parseCidr(AddressIPv6, "ipv6", "address") }),
    ...(MacAddress === "" ? {} : { mac: parseMac(MacAddress) }),
    macFromUser: MacAddress !== "" && Object.hasOwn(request.Options, labels.macAddress),
    options: parseDriverOptions(request.Options),
    ports: parsePorts(request.Options),
  };
}

/** @throws FairwayError FW5001. */
export function parseJoin(request: Join): JoinRequest {
  if (request.SandboxKey.length > longestPath) {
    throw new FairwayError({ code: "FW5001", what: "the sandbox key is longer than a path can be" });
  }
  return {
    ...parseEndpointRef(request),
    sandboxKey: request.SandboxKey,
    ports: parsePorts(request.Options),
    exposed: parseExposed(request.Options),
  };
}

/** @throws FairwayError FW5001. */
export function parseProgram(request: Program): ProgramRequest {
  return { ...parseEndpointRef(request), ports: parsePorts(request.Options) };
}

/** @throws FairwayError FW5001. */
export function parseEndpointRef(request: EndpointOnly): { networkId: NetworkId; endpointId: EndpointId } {
  return { networkId: parseNetworkId(request.NetworkID), endpointId: parseEndpointId(request.EndpointID) };
}
