import { setTimeout as delay } from "node:timers/promises";
import type { z } from "zod";
import type { FairwayError } from "../../errors.ts";
import { type Reading, readOutcome } from "./answer.ts";
import { TokenAnswer } from "./codec.ts";
import { type TlsMaterial, Wires } from "./exchange.ts";
import { noAnswer, refusedByEtcd } from "./refusals.ts";

export interface EtcdOptions {
  /** "https://192.0.2.1:2379", one for each member. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsMaterial;
  readonly user?: string;
  readonly password?: string;
  /** For tests: how long one member may think, and all of them together. */
  readonly attemptMs?: number;
  readonly deadlineMs?: number;
}

export interface Answer<T> {
  /** Undefined: etcd said no, in an answer that the caller knows how to take. */
  readonly value: T | undefined;
  /** An earlier attempt may have been carried out, too. */
  readonly repeated: boolean;
}

const attemptMs = 2000;
/** Below the time that an engine's call has, so that its error is ours. */
const deadlineMs = 7000;
const firstPauseMs = 50;
const longestPauseMs = 500;

interface Attempts {
  readonly endMs: number;
  readonly faults: Map<string, string>;
  readonly refusals: Map<string, FairwayError>;
  tries: number;
  renewals: number;
  repeated: boolean;
}

/** Requests to a cluster: the first member that answers counts, and the next request begins with it. */
export class EtcdSession implements Disposable {
  readonly #options: EtcdOptions;
  readonly #wires: Wires;
  #at = 0;
  #token: string | undefined;
  #login: Promise<string> | undefined;

  constructor(options: EtcdOptions) {
    this.#options = options;
    this.#wires = new Wires(options.tls ?? {});
  }

  /** @throws FairwayError FW4001 after the deadline, FW4002 as soon as it is clear that no member will take it. */
  async call<T>(path: string, body: object, schema: z.ZodType<T>, isWrite = false): Promise<Answer<T>> {
    return await this.#ask({ path, body: JSON.stringify(body), schema, isWrite }, this.#attempts(), true);
  }

  [Symbol.dispose](): void {
    this.#wires.close();
  }

  #attempts(): Attempts {
    const endMs = performance.now() + (this.#options.deadlineMs ?? deadlineMs);
    return { endMs, faults: new Map(), refusals: new Map(), tries: 0, renewals: 0, repeated: false };
  }

  async #ask<T>(request: Request<T>, attempts: Attempts, withToken: boolean): Promise<Answer<T>> {
    for (;;) {
      const token = withToken ? await this.#tokenFor(attempts) : undefined;
      const endpoint = this.#endpoint();
      const reading = await this.#try(request, endpoint, token, attempts);
      if (reading.kind === "value") {
        return { value: understand(request.schema, reading.json), repeated: attempts.repeated };
      }
      if (reading.kind === "no") {
        return { value: undefined, repeated: attempts.repeated };
      }
      if (reading.kind === "refused") {
        throw refusedByEtcd(reading.code, reading.message, this.#options.user !== undefined);
      }
      if (reading.kind === "token") {
        this.#renew(token, attempts);
      } else {
        await this.#turnTo(endpoint, reading, attempts, request.isWrite);
      }
    }
  }

  async #try<T>(
    { path, body, isWrite }: Request<T>,
    endpoint: string,
    token: string | undefined,
    attempts: Attempts,
  ): Promise<Reading> {
    const leftMs = Math.floor(attempts.endMs - performance.now());
    if (leftMs <= 0) {
      throw noAnswer(faultTexts(attempts), isWrite);
    }
    const timeoutMs = Math.min(this.#options.attemptMs ?? attemptMs, leftMs);
    const outcome = await this.#wires.ask({
      endpoint,
      path,
      body,
      timeoutMs,
      ...(token === undefined ? {} : { token }),
    });
    return readOutcome(outcome, endpoint);
  }

  /** After each round of all members a pause: they may be electing a leader. */
  async #turnTo(
    endpoint: string,
    { reason, refusal, maybeDone }: Extract<Reading, { kind: "next" }>,
    attempts: Attempts,
    isWrite: boolean,
  ): Promise<void> {
    const count = this.#options.endpoints.length;
    attempts.faults.set(endpoint, reason);
    attempts.repeated ||= maybeDone;
    attempts.tries += 1;
    refusal === undefined ? attempts.refusals.delete(endpoint) : attempts.refusals.set(endpoint, refusal);
    // Another call may have turned already.
    if (this.#endpoint() === endpoint) {
      this.#at = (this.#at + 1) % count;
    }
    if (refusal !== undefined && attempts.refusals.size === count) {
      throw refusal;
    }
    if (attempts.tries % count === 0) {
      const leftMs = attempts.endMs - performance.now();
      const pauseMs = Math.min(firstPauseMs * 2 ** (attempts.tries / count - 1), longestPauseMs);
      if (leftMs <= pauseMs) {
        throw noAnswer(faultTexts(attempts), isWrite);
      }
      await delay(pauseMs);
    }
  }

  async #tokenFor(attempts: Attempts): Promise<string | undefined> {
    if (this.#options.user === undefined) {
      return undefined;
    }
    if (this.#token === undefined) {
      this.#login ??= this.#authenticate(attempts).finally(() => {
        this.#login = undefined;
      });
      this.#token = await this.#login;
    }
    return this.#token;
  }

  async #authenticate({ endMs }: Attempts): Promise<string> {
    const { user, password = "" } = this.#options;
    const request = {
      path: "/v3/auth/authenticate",
      body: JSON.stringify({ name: user, password }),
      schema: TokenAnswer,
      isWrite: false,
    };
    const { value } = await this.#ask(request, { ...this.#attempts(), endMs }, false);
    if (value === undefined) {
      throw refusedByEtcd(0, "it gave no token");
    }
    return value.token;
  }

  #renew(token: string | undefined, attempts: Attempts): void {
    attempts.renewals += 1;
    if (this.#options.user === undefined || attempts.renewals > 3) {
      throw refusedByEtcd(0, "invalid auth token");
    }
    // Another call may have a new one already.
    if (this.#token === token) {
      this.#token = undefined;
    }
  }

  #endpoint(): string {
    return this.#options.endpoints[this.#at] ?? "";
  }
}

interface Request<T> {
  readonly path: string;
  readonly body: string;
  readonly schema: z.ZodType<T>;
  readonly isWrite: boolean;
}

function understand<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (!result.success) {
    throw refusedByEtcd(0, `its answer is not understood: ${JSON.stringify(json).slice(0, 100)}`);
  }
  return result.data;
}

function faultTexts({ faults }: Attempts): string[] {
  return [...faults].map(([endpoint, reason]) => `${endpoint}: ${reason}`);
}
