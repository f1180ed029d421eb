/** Sees frames as they arrive in a network namespace, byte by byte. As a program it prints them; see openTap(). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { bind, recv, setsockopt, socket } from "../../../src/kernel/netlink/libc.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Sandbox } from "./sandbox.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const deadlineMs = 5000;

export interface Tap extends AsyncDisposable {
  /** The first packet, IP header and all, that is as wanted; seen already or yet to come. */
  find(what: string, isWanted: (packet: Buffer) => boolean): Promise<Buffer>;
  readonly packets: readonly Buffer[];
}

/** All packets that this namespace receives or sends from now on. */
export async function openTap(sandbox: Sandbox): Promise<Tap> {
  const argv = ["-t", String(sandbox.pid), "-n", process.execPath, import.meta.filename];
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  const program = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"], env });
  const packets: Buffer[] = [];
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  createInterface({ input: program.stdout }).on("line", (line) => {
    if (line === "ready") {
      resolve();
    } else {
      packets.push(Buffer.from(line, "hex"));
    }
  });
  await ready;
  return {
    packets,
    find: (what, isWanted) => waitFor(() => packets.find(isWanted), deadlineMs, what),
    [Symbol.asyncDispose]: async () => {
      const ended = once(program, "exit");
      program.kill("SIGKILL");
      await ended;
    },
  };
}

/** Ends with the process that started it. */
function printPackets(): void {
  const fd = socket(AF_PACKET, SOCK_DGRAM, 0);
  const second = Buffer.alloc(16);
  second.writeBigInt64LE(1n);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, second);
  // struct sockaddr_ll: family, protocol in network order; of every interface.
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  if (fd < 0 || bind(fd, address) < 0) {
    throw new Error("cannot listen for packets");
  }
  const parent = process.ppid;
  const buffer = Buffer.alloc(65536);
  writeSync(1, "ready\n");
  while (process.ppid === parent) {
    const length = recv(fd, buffer, 0);
    if (length >= 0) {
      writeSync(1, `${buffer.toString("hex", 0, length)}\n`);
    } else if (length !== -constants.errno.EAGAIN && length !== -constants.errno.EINTR) {
      throw new Error(`cannot receive: errno ${-length}`);
    }
  }
}

if (import.meta.main) {
  printPackets();
}
