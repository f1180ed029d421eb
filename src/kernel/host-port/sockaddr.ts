import { familyOf, type IpAddress, toBytes } from "../../model/ip.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
const PORT_OFFSET = 2;

/** struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)). */
export function encodeSockaddr(address: IpAddress, port: number): Buffer {
  const isIpv4 = familyOf(address) === "ipv4";
  const bytes = Buffer.alloc(isIpv4 ? 16 : 28);
  bytes.writeUInt16LE(isIpv4 ? AF_INET : AF_INET6);
  bytes.writeUInt16BE(port, PORT_OFFSET);
  toBytes(address).copy(bytes, isIpv4 ? 4 : 8);
  return bytes;
}

/** encodeSockaddr() for many ports of a few addresses. The result is valid until the next call. */
export function sockaddrEncoder(): typeof encodeSockaddr {
  const known = new Map<IpAddress, Buffer>();
  return (address, port) => {
    const bytes = known.get(address) ?? encodeSockaddr(address, port);
    known.set(address, bytes);
    bytes.writeUInt16BE(port, PORT_OFFSET);
    return bytes;
  };
}

/** Port of either structure. */
export function portOf(sockaddr: Buffer): number {
  return sockaddr.readUInt16BE(PORT_OFFSET);
}
