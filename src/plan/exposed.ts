/** Mode host: which ports of a container are the host's ports of the same number. Pure. */
import type { ContainerPort, PortRequest } from "../model/endpoint.ts";

/** What the container exposes or publishes, unless `-p` says something else about the port or about the number. */
export function planExposed(exposed: readonly ContainerPort[], published: readonly PortRequest[]): PortRequest[] {
  const all = [...exposed, ...published.map(({ protocol, containerPort }) => ({ protocol, port: containerPort }))];
  const wanted = all.filter(
    (one) => !published.some((request) => isNarrower(request, one) || takesNumber(request, one)),
  );
  const unique = new Map(wanted.map((one) => [`${one.port}/${one.protocol}`, one]));
  return [...unique.values()].map(({ protocol, port }) => ({
    protocol,
    containerPort: port,
    hostPortFirst: port,
    hostPortLast: port,
  }));
}

/** Any free number, or one address or family: the host's own port would be more than was asked for. */
function isNarrower(request: PortRequest, { protocol, port }: ContainerPort): boolean {
  const isLess = request.hostPortFirst === 0 || request.hostAddress !== undefined;
  return request.protocol === protocol && request.containerPort === port && isLess;
}

/** The host's port of this number is to lead to another port of the container. */
function takesNumber(request: PortRequest, { protocol, port }: ContainerPort): boolean {
  const isThere = request.hostPortFirst <= port && port <= request.hostPortLast;
  return request.protocol === protocol && isThere && request.containerPort !== port;
}
