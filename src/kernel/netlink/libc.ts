/**
 * The system calls that Node has no API for, called on libc in the current thread. They block: only worker threads
 * may import this file.
 *
 * Every function returns what the kernel would: a value of at least 0, or a negative errno.
 */
import koffi from "koffi";

type Call<Arguments extends readonly unknown[]> = (...values: Arguments) => number;

// No file name: the symbols of the libc that Node itself is linked with, glibc or musl.
const library = koffi.load(null);
const socketCall: Call<[number, number, number]> = library.func("socket", "int", ["int", "int", "int"]);
const bindCall: Call<[number, Uint8Array, number]> = library.func("bind", "int", ["int", "void *", "uint32"]);
const setsockoptCall: Call<[number, number, number, Uint8Array, number]> = library.func("setsockopt", "int", [
  "int",
  "int",
  "int",
  "void *",
  "uint32",
]);
const getsocknameCall: Call<[number, Uint8Array, Uint8Array]> = library.func("getsockname", "int", [
  "int",
  "void *",
  "void *",
]);
const sendCall: Call<[number, Uint8Array, number, number]> = library.func("send", "long", [
  "int",
  "void *",
  "size_t",
  "int",
]);
const recvCall: Call<[number, Uint8Array, number, number]> = library.func("recv", "long", [
  "int",
  "void *",
  "size_t",
  "int",
]);
const setnsCall: Call<[number, number]> = library.func("setns", "int", ["int", "int"]);
const ioctlCall: Call<[number, number]> = library.func("ioctl", "int", ["int", "unsigned long"]);
const closeCall: Call<[number]> = library.func("close", "int", ["int"]);

const SOCK_CLOEXEC = 0x80000;
const intOption = Buffer.alloc(4);

/** A close-on-exec socket. */
export function socket(domain: number, type: number, protocol: number): number {
  return outcome(socketCall(domain, type | SOCK_CLOEXEC, protocol));
}

export function bind(fd: number, address: Uint8Array): number {
  return outcome(bindCall(fd, address, address.length));
}

export function setsockopt(fd: number, level: number, option: number, value: Uint8Array): number {
  return outcome(setsockoptCall(fd, level, option, value, value.length));
}

export function setsockoptInt(fd: number, level: number, option: number, value: number): number {
  intOption.writeInt32LE(value);
  return setsockopt(fd, level, option, intOption);
}

/** Fills `address` with the socket's own sockaddr. */
export function getsockname(fd: number, address: Uint8Array): number {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  return outcome(getsocknameCall(fd, address, length));
}

export function send(fd: number, bytes: Uint8Array, flags: number): number {
  return outcome(sendCall(fd, bytes, bytes.length, flags));
}

export function recv(fd: number, buffer: Uint8Array, flags: number): number {
  return outcome(recvCall(fd, buffer, buffer.length, flags));
}

/** Moves the calling thread, and no other, into the namespace; setns(2). */
export function setns(fd: number, type: number): number {
  return outcome(setnsCall(fd, type));
}

/** For requests without an argument. */
export function ioctl(fd: number, request: number): number {
  return outcome(ioctlCall(fd, request));
}

export function close(fd: number): number {
  return outcome(closeCall(fd));
}

function outcome(result: number): number {
  return result === -1 ? -koffi.errno() : result;
}
