/** Who has a port, for an error message. Reads all of /proc: only for the case that a claim failed. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Family, familyOf, fromBytes, type IpAddress, isUnspecified, parseIpAddress } from "../../model/ip.ts";
import type { PortClaim } from "../ports.ts";

export interface WantedPort {
  readonly protocol: PortClaim["protocol"];
  readonly address: IpAddress;
  /** Wanted for both families, whatever the address says. */
  readonly isDualStack: boolean;
}

export interface PortHolder {
  readonly family: Family;
  /** "nginx (pid 812)"; absent for a process of ours and one that we cannot see. */
  readonly holder?: string;
}

interface SocketLine {
  readonly family: Family;
  readonly address: IpAddress;
  readonly port: number;
  readonly inode: number;
}

/** Undefined when no listed socket is in the way: a bound TCP socket that does not listen is in no list. */
export function findHolder(wanted: WantedPort, port: number): PortHolder | undefined {
  const found = (["ipv4", "ipv6"] as const)
    .flatMap((family) => listSockets(wanted.protocol, family))
    .filter((line) => line.port === port && isInTheWay(line, wanted))
    // Closed connections that the kernel still remembers have no inode and no owner.
    .sort((a, b) => b.inode - a.inode)[0];
  if (found === undefined) {
    return undefined;
  }
  const holder = found.inode === 0 ? undefined : describeOwner(found.inode);
  return { family: found.family, ...(holder !== undefined && { holder }) };
}

function isInTheWay(line: SocketLine, wanted: WantedPort): boolean {
  if (wanted.isDualStack || line.address === wanted.address) {
    return true;
  }
  // An IPv6 socket for all addresses may have the port for IPv4 as well.
  const sameFamily = line.family === familyOf(wanted.address) || line.address === "::";
  return sameFamily && (isUnspecified(line.address) || isUnspecified(wanted.address));
}

function listSockets(protocol: PortClaim["protocol"], family: Family): readonly SocketLine[] {
  // SCTP has lists of another form (/proc/net/sctp/eps).
  if (protocol === "sctp") {
    return [];
  }
  const text = readOptional(`/proc/thread-self/net/${protocol}${family === "ipv6" ? "6" : ""}`);
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => parseSocketLine(line, family) ?? []);
}

/**
 * One line of /proc/net/{tcp,udp}{,6} (proc_net_tcp.rst in the kernel's documentation): number, local address,
 * remote address, state, queues, timer, retransmits, uid, timeout, inode.
 */
export function parseSocketLine(line: string, family: Family): SocketLine | undefined {
  const fields = line.trim().split(/\s+/);
  const [addressHex, portHex] = (fields[1] ?? "").split(":");
  const inode = Number(fields[9]);
  if (addressHex === undefined || portHex === undefined || !Number.isInteger(inode)) {
    return undefined;
  }
  return { family, address: parseAddressHex(addressHex), port: Number.parseInt(portHex, 16), inode };
}

/** 32-bit words in host byte order. */
function parseAddressHex(hex: string): IpAddress {
  const bytes = Buffer.from(hex, "hex").swap32();
  return parseIpAddress(fromBytes(bytes));
}

function describeOwner(inode: number): string | undefined {
  const link = `socket:[${inode}]`;
  const pid = numericNames("/proc").find((candidate) =>
    numericNames(`/proc/${candidate}/fd`).some((fd) => readLink(`/proc/${candidate}/fd/${fd}`) === link),
  );
  if (pid === undefined || pid === String(process.pid)) {
    return undefined;
  }
  return `${readOptional(`/proc/${pid}/comm`).trim() || "a process"} (pid ${pid})`;
}

function numericNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => /^\d+$/.test(name));
  } catch {
    // The process ended meanwhile, or belongs to somebody who does not let us look.
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
