/** What the main thread asks of a kernel worker, as structured-clonable data. */
import type { ClaimConflict, PortClaim } from "../ports.ts";
import type { NetlinkAck, NetlinkProtocol } from "./transport.ts";

/** Arguments and result per kind of job. */
export interface Jobs {
  /** `bytes` is a whole datagram. */
  transact: [{ readonly protocol: NetlinkProtocol; readonly bytes: Uint8Array }, readonly NetlinkAck[]];
  /** The result is all replies one behind the other. */
  dump: [{ readonly protocol: NetlinkProtocol; readonly bytes: Uint8Array }, Uint8Array];
  /** The same two inside the network namespace at `path`, with a socket of their own; settings come first. */
  transactInside: [
    { readonly path: string; readonly bytes: Uint8Array; readonly settings: readonly NamespaceSetting[] },
    readonly NetlinkAck[],
  ];
  dumpInside: [{ readonly path: string; readonly bytes: Uint8Array }, Uint8Array];
  claimPorts: [{ readonly claims: readonly PortClaim[] }, ClaimedPorts | ClaimConflict];
}

/** A file below /proc/sys/net, which shows the namespace of the thread that looks. */
export interface NamespaceSetting {
  readonly path: readonly string[];
  readonly value: string;
}

export type JobKind = keyof Jobs;
export type JobArguments<Kind extends JobKind> = Jobs[Kind][0];
export type JobResult<Kind extends JobKind> = Jobs[Kind][1];

export interface ClaimedPorts {
  /** Chosen port per claim. */
  readonly ports: readonly number[];
  /** Descriptors, valid in the whole process; the receiver owns them. */
  readonly sockets: readonly number[];
}

/** One job on its way to the worker. `deadline` is process.hrtime.bigint(), which all threads share. */
export type JobRequest = {
  [Kind in JobKind]: {
    readonly id: number;
    readonly kind: Kind;
    readonly deadline: bigint;
    readonly arguments: JobArguments<Kind>;
  };
}[JobKind];

export type WorkerRequest = JobRequest | { readonly kind: "stop" };

export type JobReply = { readonly id: number } & (
  | { readonly result: JobResult<JobKind> }
  | { readonly refusal: { readonly operation: string; readonly errno: string; readonly detail: string } }
  | { readonly defect: string }
);
