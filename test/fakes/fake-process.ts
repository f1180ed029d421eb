import { KernelError } from "../../src/kernel/ports.ts";

/** What a synchronous call answers when its process is gone: nothing runs after it, as nothing would. */
export class ProcessKilled extends Error {}

type Moment = "before" | "after";

/** Closing a file descriptor does not fail, and nobody could do anything about it. */
const infallible: readonly string[] = ["hostPorts.release"];

/**
 * The process that calls the fakes. Every call to a port passes through here, so that one can be made to fail, or be
 * the last that the process ever makes: its effect happens ("after") or not ("before"), and nobody learns which.
 */
export class FakeProcess {
  /** Every call so far, as "links.addVeth". */
  readonly calls: string[] = [];
  /** How many turns of the microtask queue a call takes besides the first. */
  delayTurns = 0;
  /** Calls that were made to fail. */
  readonly failed: string[] = [];
  readonly #failNext: { method: string; errno: string }[] = [];
  #failNth: { readonly at: number; readonly errno: string }[] = [];
  #crash: { at: number; moment: Moment } | undefined;
  #dead = false;
  readonly #onDeath: (() => void)[] = [];

  /** What memory says may be ahead of the disk until the next start. */
  get diskFailed(): boolean {
    return this.failed.some((method) => method.startsWith("store."));
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** @param method "nft.change", or "nft.*" for any of the port. */
  failNext(method: string, errno: string): void {
    this.#failNext.push({ method, errno });
  }

  /** Fails the nth call from now on, or the first after it that can fail; 1 is the next one. */
  failNth(nth: number, errno: string): void {
    this.#failNth.push({ at: this.calls.length + nth, errno });
  }

  crashNth(nth: number, moment: Moment): void {
    this.#crash = { at: this.calls.length + nth, moment };
  }

  forgetFaults(): void {
    this.#failNext.length = 0;
    this.#failNth = [];
    this.#crash = undefined;
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener);
  }

  kill(): void {
    if (!this.#dead) {
      this.#dead = true;
      for (const listener of this.#onDeath) {
        listener();
      }
    }
  }

  callSync<T>(method: string, run: () => T): T {
    const at = this.#enter(method);
    if (this.#dead) {
      throw new ProcessKilled(method);
    }
    const result = run();
    this.#leave(at);
    if (this.#dead) {
      throw new ProcessKilled(method);
    }
    return result;
  }

  async call<T>(method: string, run: () => Promise<T>): Promise<T> {
    const at = this.#enter(method);
    // Like a message to a thread: the effect comes some turns later, and others may come in between.
    for (let turn = 0; turn <= this.delayTurns; turn += 1) {
      await undefined;
    }
    if (this.#dead) {
      return never();
    }
    const result = await run();
    this.#leave(at);
    return this.#dead ? never() : result;
  }

  #enter(method: string): number {
    if (this.#dead) {
      return 0;
    }
    const at = this.calls.push(method);
    if (this.#crash?.at === at && this.#crash.moment === "before") {
      this.kill();
      return at;
    }
    const errno = this.#takeNth(at, method) ?? this.#takeNext(method);
    if (errno !== undefined) {
      this.failed.push(method);
      throw new KernelError(method, errno, "injected");
    }
    return at;
  }

  #leave(at: number): void {
    if (this.#crash?.at === at) {
      this.kill();
    }
  }

  #takeNth(at: number, method: string): string | undefined {
    const due = this.#failNth.find((one) => one.at <= at && !infallible.includes(method));
    this.#failNth = this.#failNth.filter((one) => one !== due);
    return due?.errno;
  }

  #takeNext(method: string): string | undefined {
    const index = this.#failNext.findIndex(
      (one) => one.method === method || one.method === `${method.split(".")[0]}.*`,
    );
    return index < 0 ? undefined : this.#failNext.splice(index, 1)[0]?.errno;
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** The port as the process sees it. @param sync names of its synchronous methods */
export function throughProcess<P extends object>(
  process: FakeProcess,
  name: string,
  port: P,
  sync: readonly (keyof P & string)[],
): P {
  const synchronous: readonly string[] = sync;
  return new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function" || typeof key !== "string") {
        return member;
      }
      const method = `${name}.${key}`;
      return (...args: unknown[]): unknown => {
        const run = (): unknown => Reflect.apply(member, target, args);
        return synchronous.includes(key) ? process.callSync(method, run) : process.call(method, async () => run());
      };
    },
  });
}
