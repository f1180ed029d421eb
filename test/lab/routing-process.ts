import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { environment } from "./exec.ts";
import { identify, signal, waitUntilGone } from "./processes.ts";

const endDeadlineMs = 10_000;

/** argv in front of a program, so that it runs in another namespace; empty: here. */
export type Prefix = readonly string[];

/** A routing daemon in the foreground. The prefix must become the program (nsenter -n does), or forward signals. */
export class RoutingProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(child: ChildProcess, logFile: string) {
    this.#child = child;
    this.#logFile = logFile;
  }

  static start(argv: readonly string[], logFile: string): RoutingProcess {
    const [command = "", ...args] = argv;
    const log = openSync(logFile, "a");
    try {
      const child = spawn(command, args, { stdio: ["ignore", log, log], env: environment() });
      return new RoutingProcess(child, logFile);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  log(): string {
    return readFileSync(this.#logFile, "utf8");
  }

  /** @throws Error with the log when the program has ended by itself. */
  assertRunning(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      throw new Error(`routing daemon ended with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.log()}`);
    }
  }

  async end(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const id = identify(this.pid);
    if (id === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return;
    }
    const ended = once(this.#child, "exit");
    signal(id, name);
    const late = setTimeout(() => signal(id, "SIGKILL"), endDeadlineMs / 2);
    await ended;
    clearTimeout(late);
    await waitUntilGone(id, endDeadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
