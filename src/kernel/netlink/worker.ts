/** Thread that makes the blocking system calls of one WorkerTransport, one job after the other. */
import { writeFileSync } from "node:fs";
import { type MessagePort, parentPort } from "node:worker_threads";
import { claimPorts } from "../host-port/port-sockets.ts";
import { KernelError } from "../ports.ts";
import type { JobArguments, JobKind, JobReply, JobRequest, JobResult, WorkerRequest } from "./jobs.ts";
import { inNetworkNamespace } from "./namespace.ts";
import { NetlinkSocket } from "./socket.ts";
import type { NetlinkAck } from "./transport.ts";

const sockets = { route: new NetlinkSocket("route"), netfilter: new NetlinkSocket("netfilter") };

function execute(job: JobRequest): JobResult<JobKind> {
  // The caller has given up: a change made now would be one that nobody knows of.
  if (process.hrtime.bigint() > job.deadline) {
    throw new KernelError(job.kind, "ETIMEDOUT", "waited too long behind other requests");
  }
  switch (job.kind) {
    case "transact":
      return sockets[job.arguments.protocol].transact(asBuffer(job.arguments.bytes));
    case "dump":
      return ownMemory(sockets[job.arguments.protocol].dump(asBuffer(job.arguments.bytes)));
    case "transactInside":
      return transactInside(job.arguments);
    case "dumpInside": {
      const { path, bytes } = job.arguments;
      return ownMemory(inNetworkNamespace(path, () => withRouteSocket((socket) => socket.dump(asBuffer(bytes)))));
    }
    case "claimPorts":
      return claimPorts(job.arguments.claims);
  }
}

function transactInside({ path, bytes, settings }: JobArguments<"transactInside">): readonly NetlinkAck[] {
  return inNetworkNamespace(path, () => {
    for (const setting of settings) {
      writeFileSync(["/proc/sys/net", ...setting.path].join("/"), setting.value);
    }
    return withRouteSocket((socket) => socket.transact(asBuffer(bytes)));
  });
}

/** A socket belongs to the namespace in which it was opened, whatever the thread does later. */
function withRouteSocket<Result>(use: (socket: NetlinkSocket) => Result): Result {
  using socket = new NetlinkSocket("route");
  return use(socket);
}

function serve(port: MessagePort): void {
  port.on("message", (request: WorkerRequest) => {
    if (request.kind === "stop") {
      sockets.route[Symbol.dispose]();
      sockets.netfilter[Symbol.dispose]();
      port.close();
      return;
    }
    port.postMessage(replyTo(request));
  });
}

function replyTo(job: JobRequest): JobReply {
  try {
    return { id: job.id, result: execute(job) };
  } catch (error) {
    if (error instanceof KernelError) {
      return { id: job.id, refusal: { operation: error.operation, errno: error.errno, detail: detailOf(error) } };
    }
    return { id: job.id, defect: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** An error loses its class on the way to the other thread; its parts do not. */
function detailOf(error: KernelError): string {
  return error.message.slice(`${error.operation}: ${error.errno}`.length).replace(/^ \((.*)\)$/s, "$1");
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Cloning a view clones all memory behind it, and small Buffers share theirs. */
function ownMemory(bytes: Buffer): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

if (parentPort !== null) {
  serve(parentPort);
}
