/**
 * Blocking TCP sockets for the load programs. An event loop costs more per request than the path that is measured; a
 * system call through here costs about a microsecond.
 */
import koffi from "koffi";
import { AF_INET, encodeSockaddr } from "../../../src/kernel/host-port/sockaddr.ts";
import { bind, close, recv, send, setsockopt, setsockoptInt, socket } from "../../../src/kernel/netlink/libc.ts";
import { parseIpAddress } from "../../../src/model/ip.ts";

export { close, recv, send };

const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const SO_RCVTIMEO = 20;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SHUT_WR = 1;
const backlog = 1024;
/** A lost answer must end the program instead of hanging it. */
const receiveTimeoutMs = 5000;

type Call<Arguments extends readonly unknown[]> = (...values: Arguments) => number;

const library = koffi.load(null);
const connectCall: Call<[number, Uint8Array, number]> = library.func("connect", "int", ["int", "void *", "uint32"]);
const listenCall: Call<[number, number]> = library.func("listen", "int", ["int", "int"]);
const acceptCall: Call<[number, null, null]> = library.func("accept", "int", ["int", "void *", "void *"]);
const shutdownCall: Call<[number, number]> = library.func("shutdown", "int", ["int", "int"]);

/** struct linger {1, 0}: closing sends a reset, so that no port waits for late packets and runs out. */
const abortOnClose = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const receiveTimeout = timeval(receiveTimeoutMs);

export function listenOn(port: number): number {
  const fd = check("socket", socket(AF_INET, SOCK_STREAM, 0));
  setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  check("bind", bind(fd, encodeSockaddr(parseIpAddress("0.0.0.0"), port)));
  check("listen", listenCall(fd, backlog));
  return fd;
}

export function accept(listener: number): number {
  const fd = check("accept", acceptCall(listener, null, null));
  setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

/** @param target as `targetOf` makes it */
export function connectTo(target: Uint8Array): number {
  const fd = check("socket", socket(AF_INET, SOCK_STREAM, 0));
  setsockopt(fd, SOL_SOCKET, SO_LINGER, abortOnClose);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, receiveTimeout);
  setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  check("connect", connectCall(fd, target, target.length));
  return fd;
}

export function targetOf(address: string, port: number): Uint8Array {
  return encodeSockaddr(parseIpAddress(address), port);
}

export function endSending(fd: number): void {
  check("shutdown", shutdownCall(fd, SHUT_WR));
}

/** @throws with the errno when the kernel refuses. */
export function check(operation: string, result: number): number {
  if (result < 0) {
    throw new Error(`${operation}: ${result === -1 ? `errno ${koffi.errno()}` : `errno ${-result}`}`);
  }
  return result;
}

/** struct timeval on a 64-bit kernel. */
function timeval(ms: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(Math.floor(ms / 1000)));
  return bytes;
}
