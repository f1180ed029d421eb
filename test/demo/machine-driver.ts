import { readFileSync } from "node:fs";
import path from "node:path";
import { run, start } from "../lab/exec.ts";
import { identify, isAlive, type ProcessId, signal, waitUntilGone } from "../lab/processes.ts";
import { accepts } from "../lab/sockets.ts";
import { waitFor } from "../lab/wait.ts";

export const PLUGIN_SOCKET = "/run/docker/plugins/fairway.sock";
const FAIRWAY = path.join(import.meta.dirname, "../../bin/fairway");
const READY_DEADLINE_MS = 20_000;
const GONE_DEADLINE_MS = 15_000;

/** The driver as a process of this machine, with state in a directory of the demo. */
export class MachineDriver {
  readonly #directory: string;
  #id: ProcessId | undefined;
  #starting: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get wasStarted(): boolean {
    return this.#id !== undefined;
  }

  /** One that runs or is starting is not started again. */
  start(): Promise<void> {
    if (this.#id !== undefined && isAlive(this.#id) && this.#starting === undefined) {
      return Promise.resolve();
    }
    this.#starting ??= this.#launch().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async end(how: NodeJS.Signals): Promise<void> {
    if (this.#id !== undefined && isAlive(this.#id)) {
      signal(this.#id, how);
      await waitUntilGone(this.#id, GONE_DEADLINE_MS);
    }
  }

  fairway(args: readonly string[]): Promise<string> {
    return run([FAIRWAY, ...args, "--run-dir", this.#path("run")]);
  }

  log(): string {
    try {
      return readFileSync(this.#path("driver.log"), "utf8");
    } catch {
      return "";
    }
  }

  async #launch(): Promise<void> {
    const own = ["--state-dir", this.#path("state"), "--run-dir", this.#path("run")];
    const argv = [FAIRWAY, "daemon", "--log-format", "pretty", ...own];
    // A terminal sends Ctrl-C to the whole process group; the driver is needed for cleaning up.
    const child = start(argv, this.#path("driver.log"), { detached: true });
    this.#id = child.pid === undefined ? undefined : identify(child.pid);
    await waitFor(() => accepts(PLUGIN_SOCKET), READY_DEADLINE_MS, "the driver to listen");
  }

  #path(name: string): string {
    return path.join(this.#directory, name);
  }
}
