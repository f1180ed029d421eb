/** Bound, silent sockets that keep host ports from others. Blocking: for the worker thread. */
import { familyOf, type IpAddress } from "../../model/ip.ts";
import { errnoName } from "../netlink/errno.ts";
import type { ClaimedPorts } from "../netlink/jobs.ts";
import { bind, close, getsockname, setsockoptInt, socket } from "../netlink/libc.ts";
import type { ClaimConflict, PortClaim } from "../ports.ts";
import { findHolder } from "./port-holder.ts";
import { AF_INET, AF_INET6, portOf, sockaddrEncoder } from "./sockaddr.ts";

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_SCTP = 132;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MAX_SOCKADDR_BYTES = 28;

/** How often the kernel may pick a number that one of the further addresses has in use. */
const pickAttempts = 32;
/** A kernel without SCTP has no SCTP sockets that could be in the way. */
const protocolMissing: readonly string[] = ["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"];
const familyMissing: readonly string[] = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

const encodeSockaddr = sockaddrEncoder();

/** One socket to be. */
interface Binding {
  readonly protocol: PortClaim["protocol"];
  readonly address: IpAddress;
  /** Takes the port for IPv4 as well; falls back to IPv4 alone on a host without IPv6. */
  readonly isDualStack: boolean;
}

interface Refusal {
  readonly binding: Binding;
  readonly port: number;
  readonly errno: string;
}

type Outcome = { readonly port: number; readonly sockets: readonly number[] } | Refusal;

/** All or nothing: after a conflict no socket stays open. */
export function claimPorts(claims: readonly PortClaim[]): ClaimedPorts | ClaimConflict {
  const ports: number[] = [];
  const sockets: number[] = [];
  for (const claim of claims) {
    const outcome = claimOne(claim);
    if ("errno" in outcome) {
      closeSockets(sockets);
      return explain(claim, outcome);
    }
    ports.push(outcome.port);
    sockets.push(...outcome.sockets);
  }
  return { ports, sockets };
}

function closeSockets(sockets: readonly number[]): void {
  for (const fd of sockets) {
    close(fd);
  }
}

function claimOne(claim: PortClaim): Outcome {
  const bindings = bindingsOf(claim);
  if (claim.first === 0) {
    return pickNumber(bindings);
  }
  let firstRefusal: Refusal | undefined;
  const size = Math.max(claim.first, claim.last) - claim.first + 1;
  const start = (claim.start ?? claim.first) - claim.first;
  for (let step = 0; step < size; step += 1) {
    const port = claim.first + ((start + step) % size);
    const outcome = bindAll(bindings, port);
    if (!("errno" in outcome) || outcome.errno !== "EADDRINUSE") {
      return outcome;
    }
    firstRefusal ??= outcome;
  }
  return firstRefusal ?? { port: claim.first, sockets: [] };
}

function bindingsOf({ protocol, addresses }: PortClaim): readonly Binding[] {
  const isEverything =
    addresses.length === 2 && addresses.includes("0.0.0.0" as IpAddress) && addresses.includes("::" as IpAddress);
  return isEverything
    ? [{ protocol, address: "::" as IpAddress, isDualStack: true }]
    : addresses.map((address) => ({ protocol, address, isDualStack: false }));
}

function pickNumber(bindings: readonly Binding[]): Outcome {
  let outcome = bindAll(bindings, 0);
  for (let attempt = 1; attempt < pickAttempts && "errno" in outcome && outcome.errno === "EADDRINUSE"; attempt += 1) {
    outcome = bindAll(bindings, 0);
  }
  return outcome;
}

/** Binds all at the same number. `port` 0: the kernel picks it at the first address. */
function bindAll(bindings: readonly Binding[], port: number): Outcome {
  const sockets: number[] = [];
  let number = port;
  for (const binding of bindings) {
    const fd = open(binding, number);
    if (typeof fd === "string") {
      closeSockets(sockets);
      return { binding, port: number, errno: fd };
    }
    if (fd !== undefined) {
      sockets.push(fd);
      number = number === 0 ? chosenPort(fd) : number;
    }
  }
  return { port: number, sockets };
}

/** The descriptor, undefined when the port needs none, or the errno that stands in the way. */
function open(binding: Binding, port: number): number | string | undefined {
  const outcome = bindNew(binding, port);
  if (typeof outcome === "number") {
    return outcome;
  }
  if (binding.protocol === "sctp" && protocolMissing.includes(outcome)) {
    // Of a number picked by the kernel, a TCP socket keeps further picks away.
    return port === 0 ? open({ ...binding, protocol: "tcp" }, 0) : undefined;
  }
  if (binding.isDualStack && familyMissing.includes(outcome)) {
    return open({ ...binding, address: "0.0.0.0" as IpAddress, isDualStack: false }, port);
  }
  return outcome;
}

function bindNew({ protocol, address, isDualStack }: Binding, port: number): number | string {
  const domain = familyOf(address) === "ipv4" ? AF_INET : AF_INET6;
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const fd = socket(domain, type, protocol === "sctp" ? IPPROTO_SCTP : 0);
  if (fd < 0) {
    return errnoName(-fd);
  }
  if (protocol === "udp") {
    // Nobody reads what a local process may send here; the kernel raises 0 to its minimum.
    setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, 0);
  }
  if (domain === AF_INET6) {
    // The default is a setting of the host (net.ipv6.bindv6only).
    setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, isDualStack ? 0 : 1);
  }
  const result = bind(fd, encodeSockaddr(address, port));
  if (result < 0) {
    close(fd);
    return errnoName(-result);
  }
  return fd;
}

function chosenPort(fd: number): number {
  const sockaddr = Buffer.alloc(MAX_SOCKADDR_BYTES);
  getsockname(fd, sockaddr);
  return portOf(sockaddr);
}

function explain(claim: PortClaim, { binding, port, errno }: Refusal): ClaimConflict {
  const found = errno === "EADDRINUSE" ? findHolder(binding, port) : undefined;
  const address = binding.isDualStack && found?.family !== "ipv6" ? ("0.0.0.0" as IpAddress) : binding.address;
  return { claim, address, port, errno, ...(found?.holder !== undefined && { holder: found.holder }) };
}
