import { Worker } from "node:worker_threads";
import { KernelError } from "../ports.ts";
import type {
  JobArguments,
  JobKind,
  JobReply,
  JobRequest,
  JobResult,
  NamespaceSetting,
  WorkerRequest,
} from "./jobs.ts";
import { NLMSG_HEADER_BYTES } from "./message.ts";
import { threadFile } from "./thread-file.ts";
import type { NetlinkAck, NetlinkProtocol, NetlinkTransport } from "./transport.ts";

const defaultDeadlineMs = 10_000;
/** A thread inside a system call cannot be interrupted; the kernel answers, or the receive timeout (5 s) ends it. */
const stopDeadlineMs = 6000;

interface PendingJob {
  /** Called with the outcome; after the deadline only with one that came too late. */
  readonly settle: (reply: JobReply) => void;
  readonly fail: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Runs system calls that block in a thread of its own, one job at a time in the order of the calls. The thread starts
 * with the first job, and again after a crash; it keeps the process alive only while a job is pending.
 *
 * A job that takes longer than 10 s fails with KernelError ETIMEDOUT. One that has not started by then never runs; of
 * one that has, the outcome is unknown.
 */
export class WorkerTransport implements NetlinkTransport, AsyncDisposable {
  readonly #pending = new Map<number, PendingJob>();
  readonly #deadlineMs: number;
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(options: { readonly deadlineMs?: number } = {}) {
    this.#deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
  }

  transact(protocol: NetlinkProtocol, messages: readonly Buffer[]): Promise<readonly NetlinkAck[]> {
    return messages.length === 0 ? Promise.resolve([]) : this.run("transact", { protocol, bytes: ownedCopy(messages) });
  }

  /** Also takes a request that is no dump; it must carry NLM_F_ACK, because its ack ends the replies. */
  async dump(protocol: NetlinkProtocol, request: Buffer): Promise<readonly Buffer[]> {
    return splitMessages(await this.run("dump", { protocol, bytes: ownedCopy([request]) }));
  }

  /** The same transport inside another network namespace. Each call visits it anew, so it may come and go. */
  inside(path: string, settings: readonly NamespaceSetting[] = []): NetlinkTransport {
    return {
      transact: (_protocol, messages) => this.run("transactInside", { path, settings, bytes: ownedCopy(messages) }),
      dump: async (_protocol, request) =>
        splitMessages(await this.run("dumpInside", { path, bytes: ownedCopy([request]) })),
    };
  }

  /**
   * @param onLate Takes a result that came after the deadline, so that what it stands for can be given back.
   * @throws KernelError the refusal, or ETIMEDOUT, or EPIPE when the thread ended.
   */
  run<Kind extends JobKind>(
    kind: Kind,
    jobArguments: JobArguments<Kind>,
    onLate?: (result: JobResult<Kind>) => void,
  ): Promise<JobResult<Kind>> {
    const { promise, resolve, reject } = Promise.withResolvers<JobResult<Kind>>();
    this.#lastId += 1;
    const id = this.#lastId;
    const deadlineMs = this.#deadlineMs;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new KernelError(kind, "ETIMEDOUT", `no answer within ${deadlineMs} ms`));
    }, deadlineMs);
    const settle = (reply: JobReply): void => {
      if (!("result" in reply)) {
        reject(errorOf(reply));
      } else if (late) {
        onLate?.(reply.result as JobResult<Kind>);
      } else {
        resolve(reply.result as JobResult<Kind>);
      }
    };
    this.#pending.set(id, { settle, fail: reject, timer });
    const deadline = process.hrtime.bigint() + BigInt(deadlineMs) * 1_000_000n;
    // The compiler cannot follow that kind and arguments belong together.
    this.#post({ id, kind, deadline, arguments: jobArguments } as unknown as JobRequest);
    return promise;
  }

  /** Ends the thread after the jobs that are queued. The object can be used again and then starts another one. */
  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) {
      return;
    }
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    worker.once("exit", () => resolve());
    worker.ref();
    worker.postMessage({ kind: "stop" } satisfies WorkerRequest);
    const timer = setTimeout(() => {
      worker.terminate().then(
        () => resolve(),
        () => resolve(),
      );
    }, stopDeadlineMs);
    await exited;
    clearTimeout(timer);
  }

  #post(request: JobRequest): void {
    this.#worker ??= this.#start();
    this.#worker.ref();
    const transferred = "bytes" in request.arguments ? [request.arguments.bytes.buffer as ArrayBuffer] : [];
    this.#worker.postMessage(request, transferred);
  }

  #start(): Worker {
    const worker = new Worker(threadFile("worker", import.meta.url), { name: "fairway-kernel" });
    worker.on("message", (reply: JobReply) => this.#onReply(reply));
    worker.on("error", (error) => this.#onEnd(worker, error instanceof Error ? error.message : String(error)));
    worker.on("exit", (code) => this.#onEnd(worker, `exit status ${code}`));
    return worker;
  }

  #onReply(reply: JobReply): void {
    const job = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) {
      this.#worker?.unref();
    }
    clearTimeout(job?.timer);
    job?.settle(reply);
  }

  #onEnd(worker: Worker, reason: string): void {
    if (this.#worker !== worker) {
      return;
    }
    this.#worker = undefined;
    const jobs = [...this.#pending.values()];
    this.#pending.clear();
    for (const job of jobs) {
      clearTimeout(job.timer);
      job.fail(new KernelError("kernel worker", "EPIPE", `the thread ended: ${reason}`));
    }
  }
}

function errorOf(reply: Exclude<JobReply, { readonly result: unknown }>): Error {
  return "refusal" in reply
    ? new KernelError(reply.refusal.operation, reply.refusal.errno, reply.refusal.detail)
    : new Error(`kernel worker: ${reply.defect}`);
}

/** One datagram in memory of its own, which can be transferred. */
function ownedCopy(messages: readonly Buffer[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + message.length, 0));
  let at = 0;
  for (const message of messages) {
    bytes.set(message, at);
    at += message.length;
  }
  return bytes;
}

function splitMessages(bytes: Uint8Array): Buffer[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Buffer[] = [];
  for (let at = 0; at + NLMSG_HEADER_BYTES <= all.length; ) {
    const length = all.readUInt32LE(at);
    messages.push(all.subarray(at, at + length));
    at += (length + 3) & ~3;
  }
  return messages;
}
