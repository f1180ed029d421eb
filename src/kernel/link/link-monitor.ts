import { Worker } from "node:worker_threads";
import { threadFile } from "../netlink/thread-file.ts";
import type { LinkMonitorPort } from "../ports.ts";

/** What the thread reports. */
export type MonitorEvent =
  | { readonly event: "ready" | "overrun" | "addresses" }
  | { readonly event: "gone" | "up"; readonly names: readonly string[] };

export interface MonitorOptions {
  /** Room for events that wait to be read; default 8 MiB. */
  readonly receiveBufferBytes?: number;
}

export interface MonitorWorkerData extends MonitorOptions {
  /** One 32-bit integer; not 0 ends the thread. Shared memory, because the thread is blocked and reads no messages. */
  readonly stop: SharedArrayBuffer;
}

const restartDelayMs = 1000;
/** The thread looks at the stop flag twice a second. */
const closeDeadlineMs = 1000;

/**
 * Events of links and addresses of the current network namespace, watched in a thread of its own from construction to close(). A thread
 * that ends by itself is replaced, and the gap reported like any other loss of events.
 */
export class LinkMonitor implements LinkMonitorPort, AsyncDisposable {
  readonly #stop = new SharedArrayBuffer(4);
  readonly #goneListeners: ((name: string) => void)[] = [];
  readonly #upListeners: ((name: string) => void)[] = [];
  readonly #addressListeners: (() => void)[] = [];
  readonly #overrunListeners: (() => void)[] = [];
  readonly #ready = Promise.withResolvers<void>();
  readonly #options: MonitorOptions;
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #isClosed = false;
  #hasGap = false;

  constructor(options: MonitorOptions = {}) {
    this.#options = options;
    this.#start();
  }

  onLinkGone(listener: (name: string) => void): void {
    this.#goneListeners.push(listener);
  }

  onLinkUp(listener: (name: string) => void): void {
    this.#upListeners.push(listener);
  }

  onAddressChange(listener: () => void): void {
    this.#addressListeners.push(listener);
  }

  onOverrun(listener: () => void): void {
    this.#overrunListeners.push(listener);
  }

  /** Resolves when every later event will be seen. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === undefined) {
      return;
    }
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    worker.once("exit", () => resolve());
    worker.ref();
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    const timer = setTimeout(() => void worker.terminate(), closeDeadlineMs);
    await exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    const workerData: MonitorWorkerData = { ...this.#options, stop: this.#stop };
    const worker = new Worker(threadFile("monitor-worker", import.meta.url), { name: "fairway-monitor", workerData });
    // Watching alone is no reason for the process to stay.
    worker.unref();
    worker.on("message", (event: MonitorEvent) => this.#onEvent(event));
    // The exit follows; without a listener the error would end the process.
    worker.on("error", () => undefined);
    worker.once("exit", () => this.#onExit());
    this.#worker = worker;
  }

  #onEvent(event: MonitorEvent): void {
    if (event.event === "gone" || event.event === "up") {
      const listeners = event.event === "gone" ? this.#goneListeners : this.#upListeners;
      for (const name of event.names) {
        notify(listeners, name);
      }
      return;
    }
    if (event.event === "addresses") {
      notify(this.#addressListeners, undefined);
      return;
    }
    this.#ready.resolve();
    if (event.event === "overrun" || this.#hasGap) {
      this.#hasGap = false;
      notify(this.#overrunListeners, undefined);
    }
  }

  #onExit(): void {
    this.#worker = undefined;
    if (!this.#isClosed) {
      this.#hasGap = true;
      this.#restart = setTimeout(() => this.#start(), restartDelayMs).unref();
    }
  }
}

function notify<Event>(listeners: readonly ((event: Event) => void)[], event: Event): void {
  for (const listener of listeners) {
    listener(event);
  }
}
