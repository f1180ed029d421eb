import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { CallContext } from "../driver/driver.ts";
import { FairwayError } from "../errors.ts";

/** One call while it runs: it can be aborted, and undone once it is known that its success went unheard. */
export class Call implements CallContext {
  readonly requestId = randomBytes(4).toString("hex");
  readonly #abort = new AbortController();
  readonly #undos: (() => Promise<void>)[] = [];

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  onUndelivered(undo: () => Promise<void>): void {
    this.#undos.push(undo);
  }

  abort(reason: FairwayError): void {
    this.#abort.abort(reason);
  }

  /** Settles as `work` does, or rejects with the reason as soon as the call is aborted. */
  async untilAborted<Result>(work: Promise<Result>): Promise<Result> {
    const aborted = Promise.withResolvers<never>();
    const giveUp = () => aborted.reject(this.signal.reason);
    this.signal.addEventListener("abort", giveUp, { once: true });
    if (this.signal.aborted) {
      giveUp();
    }
    try {
      return await Promise.race([work, aborted.promise]);
    } finally {
      this.signal.removeEventListener("abort", giveUp);
    }
  }

  /** Runs every undo, even after one failed. Returns the errors. */
  async undo(): Promise<{ readonly ran: number; readonly errors: readonly unknown[] }> {
    const undos = this.#undos.splice(0).reverse();
    const errors: unknown[] = [];
    for (const undo of undos) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    return { ran: undos.length, errors };
  }
}

/**
 * True once the answer is with the operating system, false if the engine hung up before.
 *
 * Of pipelined requests only the first one's response hears of the connection's end, hence the socket.
 */
export function watchDelivery(response: ServerResponse, socket: Socket): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const hungUp = () => resolve(false);
  response.once("finish", () => {
    socket.off("close", hungUp);
    resolve(true);
  });
  response.once("close", hungUp);
  socket.once("close", hungUp);
  return promise;
}

export function tookTooLong(method: string, deadlineMs: number): FairwayError {
  return new FairwayError({
    code: "FW5006",
    what: `the call ${method} took longer than ${deadlineMs} ms`,
    why: "the engine would wait for ever, and other containers of the network with it",
    fix: "run the command again; if that fails too, look into the daemon's log",
  });
}

export function hungUp(method: string): FairwayError {
  return new FairwayError({ code: "FW5006", what: `the engine hung up before ${method} was answered` });
}

export function contentLost(method: string): FairwayError {
  return new FairwayError({
    code: "FW5002",
    what: `the call ${method} arrived without its content`,
    why: "the engine lost the connection to fairway and repeats such a call empty",
    fix: "run the command again",
  });
}
