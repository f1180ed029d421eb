/** What stands in the way of a host port, in words. */
import { FairwayError } from "../errors.ts";
import type { ClaimConflict, PortClaim } from "../kernel/ports.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { bracketed } from "../model/ip.ts";
import { collides, type HostPortNetwork } from "../plan/publish.ts";
import type { Registry } from "../store/registry.ts";
import type { DriverContext } from "./context.ts";

export function isGranted(result: readonly number[] | ClaimConflict): result is readonly number[] {
  return Array.isArray(result);
}

/** @param wanted all that this container asks for, among which may be the very same port */
export function portConflict(
  context: DriverContext,
  network: HostPortNetwork,
  conflict: ClaimConflict,
  wanted: readonly PortClaim[],
): FairwayError {
  const { claim, address, port } = conflict;
  const place = `${bracketed(address)}:${port === 0 ? rangeText(claim) : port}/${claim.protocol}`;
  if (conflict.errno === "EADDRNOTAVAIL") {
    return new FairwayError({
      code: "FW3006",
      what: `cannot publish on ${place}: ${address} is not an address of this host`,
      why: "only traffic to the host's own addresses is published",
      fix: "publish on an address that `ip address` shows, or on all by leaving it out",
    });
  }
  if (claim.first !== claim.last || claim.first === 0) {
    return new FairwayError({
      code: "FW3005",
      what: `cannot publish ${rangeText(claim)}/${claim.protocol} on ${address}: no port of it is free`,
      why: "every port of the range is in use on this host",
      fix: "widen the range, or end what uses it (`fairway status` shows what containers hold)",
    });
  }
  if (conflict.errno === "EADDRINUSE") {
    const holder = isWantedTwice(conflict, wanted) ? "this container itself" : holderOf(context, conflict);
    return new FairwayError({
      code: "FW3004",
      what: `cannot publish ${place}: it is in use by ${holder}`,
      why: "one host port leads to one service; nothing of this container was published",
      fix:
        network.mode === "host" && network.claim === "exposed"
          ? "stop the holder, or choose another host port; for what an image exposes, on a network with -o claim=published"
          : "choose another host port, or stop the holder",
    });
  }
  return new FairwayError({
    code: "FW9001",
    what: `cannot publish ${place}: the kernel refused it with ${conflict.errno}`,
    why: "the port could not be reserved for the container",
    ...(conflict.errno === "EMFILE"
      ? { fix: "raise the daemon's limit of open files (`ulimit -n`, LimitNOFILE=); each port takes up to four" }
      : {}),
  });
}

function isWantedTwice({ claim, address, port }: ClaimConflict, wanted: readonly PortClaim[]): boolean {
  const same = wanted.filter(
    ({ protocol, addresses, first, last }) =>
      protocol === claim.protocol && first <= port && port <= last && addresses.includes(address),
  );
  return same.length > 1;
}

function rangeText(claim: PortClaim): string {
  return claim.first === 0 ? "a free port" : `ports ${claim.first}-${claim.last}`;
}

/** Undefined: a program of the host, or another claim of the same container. */
export function holdingEndpoint(registry: Registry, { claim, address, port }: ClaimConflict): Endpoint | undefined {
  const wanted = { protocol: claim.protocol, address, port };
  return registry
    .endpoints()
    .find(({ publications, claims = [] }) =>
      [...claims, ...publications].some((one) => one.isOwn !== true && collides(one, wanted)),
    );
}

function holderOf(context: DriverContext, conflict: ClaimConflict): string {
  const other = holdingEndpoint(context.workshop.registry, conflict);
  if (other === undefined) {
    return conflict.holder ?? "another process of this host";
  }
  const name = context.names.containerOf(other.id);
  const network = context.names.networkName(other.networkId) ?? other.networkId.slice(0, 12);
  return name === undefined
    ? `a container (endpoint ${other.id.slice(0, 12)}) on network ${network}`
    : `container "${name}" on network ${network}`;
}
