import { z } from "zod";
import { FairwayError } from "../errors.ts";
import type { ContainerPort, PortRequest, Protocol } from "../model/endpoint.ts";
import { parseIpAddress } from "../model/ip.ts";
import { labels } from "./labels.ts";
import { PortBinding, TransportPort, understand } from "./schemas.ts";

/** IP protocol numbers (IANA) that carry ports and that engines publish. */
const protocolByNumber: ReadonlyMap<number, Protocol> = new Map([
  [6, "tcp"],
  [17, "udp"],
  [132, "sctp"],
]);

const portMap = z.array(PortBinding);

/** @throws FairwayError FW5001, or FW3003 for a host address that is none. */
export function parsePorts(options: Readonly<Record<string, unknown>>): readonly PortRequest[] {
  return understand(portMap, options[labels.portMap] ?? []).map(parsePort);
}

const exposedPorts = z.array(TransportPort);

/** Ports of protocols that cannot be published are left out: an image may expose what it likes. @throws FairwayError FW5001. */
export function parseExposed(options: Readonly<Record<string, unknown>>): readonly ContainerPort[] {
  return understand(exposedPorts, options[labels.exposedPorts] ?? []).flatMap(({ Proto, Port }) => {
    const protocol = protocolByNumber.get(Proto);
    return protocol === undefined || Port === 0 ? [] : [{ protocol, port: Port }];
  });
}

function parsePort(binding: PortBinding): PortRequest {
  const protocol = protocolByNumber.get(binding.Proto);
  if (protocol === undefined) {
    throw notUnderstood(`protocol number ${binding.Proto} has no ports that could be published`);
  }
  if (binding.Port === 0) {
    throw notUnderstood("a published port names no container port");
  }
  // Zero is how an engine leaves the end of a range out.
  const hostPortLast = binding.HostPortEnd === 0 ? binding.HostPort : binding.HostPortEnd;
  if (hostPortLast < binding.HostPort || (binding.HostPort === 0 && hostPortLast !== 0)) {
    throw notUnderstood(`host ports ${binding.HostPort} to ${hostPortLast} are no range`);
  }
  const request = { protocol, containerPort: binding.Port, hostPortFirst: binding.HostPort, hostPortLast };
  if (binding.HostIP === "") {
    return request;
  }
  return { ...request, hostAddress: parseIpAddress(binding.HostIP, "host address of a published port") };
}

function notUnderstood(what: string): FairwayError {
  return new FairwayError({ code: "FW5001", what });
}
