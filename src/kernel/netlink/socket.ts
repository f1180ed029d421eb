import { constants } from "node:os";
import { KernelError } from "../ports.ts";
import { NLMSG_DONE, NLMSG_ERROR, parseAck } from "./ack.ts";
import { errnoName } from "./errno.ts";
import { bind, close, recv, send, setsockopt, setsockoptInt, socket } from "./libc.ts";
import { NLM_F_ACK, NLM_F_DUMP, NLMSG_HEADER_BYTES, type ParsedMessage, parseMessages } from "./message.ts";
import type { NetlinkAck, NetlinkProtocol } from "./transport.ts";

const { EAGAIN, EINTR } = constants.errno;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const NLM_F_DUMP_INTR = 0x10;

const protocolNumbers: Readonly<Record<NetlinkProtocol, number>> = { route: 0, netfilter: 12 };
const receiveTimeoutMs = 5000;
/** Room for the acks of some thousand messages. FORCE needs CAP_NET_ADMIN, which the driver has anyway. */
const socketBufferBytes = 8 * 1024 * 1024;
/** The kernel fills at most 32 KiB per read (netlink_recvmsg() in net/netlink/af_netlink.c). */
const readBytes = 64 * 1024;
const dumpAttempts = 50;

export interface SocketOptions {
  /** Multicast groups to join (RTNLGRP_*). */
  readonly groups?: readonly number[];
  readonly receiveTimeoutMs?: number;
  readonly receiveBufferBytes?: number;
}

/**
 * A blocking netlink socket. After a failure that leaves replies behind it drops its descriptor and opens a new one
 * for the next request.
 */
export class NetlinkSocket implements Disposable {
  readonly #protocol: NetlinkProtocol;
  readonly #options: SocketOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(readBytes);
  #fd: number | undefined;
  #sequence = 0;

  constructor(protocol: NetlinkProtocol, options: SocketOptions = {}) {
    this.#protocol = protocol;
    this.#options = options;
  }

  /**
   * Sends `datagram`, whole messages one behind the other, and returns its acks in the order of the messages. The
   * kernel works on it inside send(), so the replies are there when that returns. Overwrites the sequence numbers.
   */
  transact(datagram: Buffer): NetlinkAck[] {
    const starts = messageStarts(datagram);
    const first = this.#number(datagram, starts);
    const expected = starts.filter((at) => (datagram.readUInt16LE(at + 6) & NLM_F_ACK) !== 0).length;
    const acks: NetlinkAck[] = [];
    this.#send(datagram);
    while (true) {
      // An nfnetlink batch that fails as a whole leaves out acks; without a failure each one must come.
      const complete = acks.length >= expected || acks.some((ack) => ack.errno !== undefined);
      const received = this.receive(complete ? MSG_DONTWAIT : 0);
      if (received === undefined) {
        return complete ? acks.sort((a, b) => a.index - b.index) : this.#drop("receive", "ETIMEDOUT");
      }
      for (const reply of received) {
        const index = (reply.sequence - first) >>> 0;
        if (reply.type === NLMSG_ERROR && index < starts.length) {
          acks.push({ index, ...parseAck(reply) });
        }
      }
    }
  }

  /**
   * Sends one request and returns all replies one behind the other, each with its header. The end is NLMSG_DONE for a
   * dump and the ack for a request that is none.
   */
  dump(request: Buffer): Buffer {
    for (let attempt = 0; attempt < dumpAttempts; attempt += 1) {
      const replies = this.#dumpOnce(request);
      if (replies !== undefined) {
        return replies;
      }
    }
    throw new KernelError(`netlink ${this.#protocol} dump`, "EINTR", `interrupted ${dumpAttempts} times`);
  }

  /** Opens the descriptor now, so that no event of the group is missed from here on. */
  open(): void {
    this.#descriptor();
  }

  /** The messages of one datagram; undefined when none came in time. */
  receive(flags: number): ParsedMessage[] | undefined {
    while (true) {
      const length = recv(this.#descriptor(), this.#buffer, flags | MSG_TRUNC);
      if (length === -EAGAIN) {
        return undefined;
      }
      if (length < 0 && length !== -EINTR) {
        this.#drop("receive", errnoName(-length));
      }
      if (length > this.#buffer.length) {
        this.#drop("receive", "EMSGSIZE");
      }
      if (length >= 0) {
        return parseMessages(this.#buffer.subarray(0, length));
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) {
      close(this.#fd);
      this.#fd = undefined;
    }
  }

  /** Undefined: something changed while the kernel was listing, so the list may have holes. */
  #dumpOnce(request: Buffer): Buffer | undefined {
    const first = this.#number(request, [0]);
    this.#send(request);
    const replies: ParsedMessage[] = [];
    let end: ParsedMessage | undefined;
    while (end === undefined) {
      const received = this.receive(0) ?? this.#drop("receive", "ETIMEDOUT");
      const ours = received.filter(({ sequence }) => sequence === first);
      end = ours.find(({ type }) => type === NLMSG_ERROR || type === NLMSG_DONE);
      // The next read overwrites the buffer that the payloads point into.
      replies.push(...ours.map((reply) => ({ ...reply, payload: Buffer.from(reply.payload) })));
    }
    const { errno, detail } = parseAck(end);
    if (errno !== undefined) {
      throw new KernelError(`netlink ${this.#protocol} ${isDump(request) ? "dump" : "request"}`, errno, detail);
    }
    const interrupted = replies.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0);
    return interrupted ? undefined : Buffer.concat(replies.filter(({ type }) => type > NLMSG_DONE).map(withHeader));
  }

  /** Gives the messages consecutive sequence numbers and returns the first. */
  #number(datagram: Buffer, starts: readonly number[]): number {
    const first = (this.#sequence + 1) >>> 0;
    for (const [index, at] of starts.entries()) {
      datagram.writeUInt32LE((first + index) >>> 0, at + 8);
    }
    this.#sequence = (first + starts.length - 1) >>> 0;
    return first;
  }

  #send(datagram: Buffer): void {
    while (true) {
      const sent = send(this.#descriptor(), datagram, 0);
      if (sent === datagram.length) {
        return;
      }
      if (sent !== -EINTR) {
        this.#drop("send", sent < 0 ? errnoName(-sent) : "EMSGSIZE");
      }
    }
  }

  #drop(operation: string, errno: string): never {
    this[Symbol.dispose]();
    throw new KernelError(`netlink ${this.#protocol} ${operation}`, errno);
  }

  #descriptor(): number {
    this.#fd ??= this.#open();
    return this.#fd;
  }

  #open(): number {
    const fd = socket(AF_NETLINK, SOCK_RAW, protocolNumbers[this.#protocol]);
    if (fd < 0) {
      throw new KernelError(`netlink ${this.#protocol} socket`, errnoName(-fd));
    }
    // The kernel chooses the port id, which is all zeroes in the address.
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK);
    const failed = [
      bind(fd, address),
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeval(this.#options.receiveTimeoutMs ?? receiveTimeoutMs)),
      setsockoptInt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1),
      setsockoptInt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1),
      ...(this.#options.groups ?? []).map((group) => setsockoptInt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)),
    ].find((result) => result < 0);
    if (failed !== undefined) {
      close(fd);
      throw new KernelError(`netlink ${this.#protocol} socket set-up`, errnoName(-failed));
    }
    // Without the privilege the default size stays: enough to read, and writing would be refused anyway.
    setsockoptInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, socketBufferBytes);
    setsockoptInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, this.#options.receiveBufferBytes ?? socketBufferBytes);
    return fd;
  }
}

function isDump(request: Buffer): boolean {
  return (request.readUInt16LE(6) & NLM_F_DUMP) === NLM_F_DUMP;
}

/** struct timeval on a 64-bit kernel. */
function timeval(ms: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(Math.floor(ms / 1000)), 0);
  bytes.writeBigInt64LE(BigInt((ms % 1000) * 1000), 8);
  return bytes;
}

/** Offsets of the messages in `datagram`. */
function messageStarts(datagram: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at + NLMSG_HEADER_BYTES <= datagram.length; ) {
    starts.push(at);
    at += (datagram.readUInt32LE(at) + 3) & ~3;
  }
  return starts;
}

function withHeader(reply: ParsedMessage): Buffer {
  const bytes = Buffer.alloc((NLMSG_HEADER_BYTES + reply.payload.length + 3) & ~3);
  bytes.writeUInt32LE(NLMSG_HEADER_BYTES + reply.payload.length, 0);
  bytes.writeUInt16LE(reply.type, 4);
  bytes.writeUInt16LE(reply.flags, 6);
  bytes.writeUInt32LE(reply.sequence, 8);
  reply.payload.copy(bytes, NLMSG_HEADER_BYTES);
  return bytes;
}
