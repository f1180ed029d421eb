import { closeSync } from "node:fs";
import type { ClaimedPorts } from "../netlink/jobs.ts";
import type { WorkerTransport } from "../netlink/worker-transport.ts";
import type { ClaimConflict, HostPortPort, PortClaim } from "../ports.ts";

/**
 * Host ports held by bound sockets, which the worker thread opens. A descriptor belongs to the whole process: the list
 * of them is kept here and they are closed here, so that claims outlive a crash of the thread. Sockets of the claim
 * that the thread was working on then stay open until the process ends.
 */
export class HostPorts implements HostPortPort {
  readonly #worker: Pick<WorkerTransport, "run">;
  readonly #sockets = new Map<string, readonly number[]>();

  constructor(worker: Pick<WorkerTransport, "run">) {
    this.#worker = worker;
  }

  /** Further claims of an owner are added to those it has. */
  async claim(owner: string, claims: readonly PortClaim[]): Promise<readonly number[] | ClaimConflict> {
    // A late answer is to a caller that has been told of a failure: nobody would ever release it.
    const result = await this.#worker.run("claimPorts", { claims }, closeAll);
    if (!("ports" in result)) {
      return result;
    }
    this.#sockets.set(owner, [...(this.#sockets.get(owner) ?? []), ...result.sockets]);
    return result.ports;
  }

  release(owner: string): Promise<void> {
    closeAll({ ports: [], sockets: this.#sockets.get(owner) ?? [] });
    this.#sockets.delete(owner);
    return Promise.resolve();
  }
}

function closeAll(result: ClaimedPorts | ClaimConflict): void {
  for (const fd of "sockets" in result ? result.sockets : []) {
    closeSync(fd);
  }
}
