import { readFileSync } from "node:fs";
import path from "node:path";
import type { RunOptions } from "./exec.ts";
import { isAlive, type ProcessId, signal, waitUntilGone } from "./processes.ts";
import type { Space, SpaceProcess } from "./space.ts";
import { waitFor } from "./wait.ts";

const END_DEADLINE_MS = 60_000;
const LOG_TAIL_CHARS = 3000;

export interface DaemonSpec {
  /** For messages and for the name of the log file. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: RunOptions["env"];
  readonly isReady: () => Promise<boolean>;
  readonly readyDeadlineMs: number;
}

/** A long-lived program in a space: started, waited for, killed, started again. Its log goes on over restarts. */
export class Daemon {
  readonly #space: Space;
  readonly #name: string;
  #id: ProcessId | undefined;

  constructor(space: Space, name: string, id?: ProcessId) {
    this.#space = space;
    this.#name = name;
    this.#id = id;
  }

  get isRunning(): boolean {
    return this.#id !== undefined && isAlive(this.#id);
  }

  get id(): ProcessId {
    if (this.#id === undefined || !isAlive(this.#id)) {
      throw new Error(`${this.#name} of ${this.#space.name} is not running`);
    }
    return this.#id;
  }

  /** Returns when it is ready. @throws with the end of the log when it ends before, or when the deadline is over. */
  async start(spec: DaemonSpec): Promise<void> {
    const process = await this.#launch(spec);
    try {
      await this.#untilReady(spec, process);
    } catch (error) {
      throw new Error(`${this.#name} of ${this.#space.name} did not start; its log ends:\n${this.logTail()}`, {
        cause: error,
      });
    }
  }

  async #launch(spec: Pick<DaemonSpec, "argv" | "env">): Promise<SpaceProcess> {
    if (this.isRunning) {
      throw new Error(`${this.#name} of ${this.#space.name} is running already`);
    }
    const process = await this.#space.spawn(spec.argv, this.#logName, spec.env);
    this.#id = process.id;
    return process;
  }

  async #untilReady(spec: DaemonSpec, process: SpaceProcess): Promise<void> {
    let hasEnded = false;
    const ended = process.ended.then(() => {
      hasEnded = true;
      throw new Error("it ended");
    });
    ended.catch(() => undefined);
    const ready = waitFor(() => hasEnded || spec.isReady(), spec.readyDeadlineMs, `${this.#name} to be ready`);
    ready.catch(() => undefined);
    await Promise.race([ready, ended]);
  }

  /** Sends a signal and waits for the end. One that is gone already is fine. */
  async kill(name: NodeJS.Signals): Promise<void> {
    if (this.#id !== undefined) {
      signal(this.#id, name);
      await waitUntilGone(this.#id, END_DEADLINE_MS);
    }
  }

  log(): string {
    try {
      return readFileSync(path.join(this.#space.directory, this.#logName), "utf8");
    } catch {
      return "";
    }
  }

  logTail(): string {
    return this.log().slice(-LOG_TAIL_CHARS);
  }

  get #logName(): string {
    return `${this.#name}.log`;
  }
}
