import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import path from "node:path";
import { environment, type RunOptions, type RunResult, run, start, tryRun } from "./exec.ts";
import { childrenOf, identify, type ProcessId } from "./processes.ts";
import {
  createSpaceDirectory,
  endSpace,
  readRecord,
  removeSpace,
  type SpaceKind,
  self,
  spaceDirectory,
  spaceName,
  updateRecord,
  writeRecord,
} from "./record.ts";
import { waitFor } from "./wait.ts";

const BOOT_DEADLINE_MS = 10_000;

/**
 * Process 1 of a space. It must collect orphans, which a shell waiting for a child does and sleep(1) does not.
 * The owned one ends when the pipe from its owner closes, so that not even kill -9 on a test leaves anything running.
 */
const OWNED_INIT = "exec 3<&0; cat <&3 >/dev/null & wait $!";
const KEPT_INIT = "while :; do sleep 86400; done";

export interface SpaceOptions {
  readonly kind: SpaceKind;
  /** Part of the name, for people. */
  readonly label: string;
  /** Exact name instead of one made from the label. */
  readonly name?: string;
  readonly about?: string;
  /** Outlives this process, until `stop`. */
  readonly keep?: boolean;
  /** False: the caller boots it and calls release() when it is complete. */
  readonly boot?: boolean;
}

/** A place from which a test can act: a machine, a client on the LAN, a container. */
export interface Place {
  readonly name: string;
  exec(argv: readonly string[], options?: RunOptions): Promise<string>;
  tryExec(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/**
 * A pretended machine: own network, mounts, processes, IPC and host name, all held by its process 1.
 *
 * The network namespace has no name below /run/netns: names are mounts, and mounts survive a crash. When process 1 is
 * gone, the kernel has nothing left of the space.
 */
export class Space implements Place {
  readonly name: string;
  readonly directory: string;
  readonly #keep: boolean;
  #init: ProcessId | undefined;

  constructor(name: string, keep: boolean, init?: ProcessId) {
    this.name = name;
    this.directory = spaceDirectory(name);
    this.#keep = keep;
    this.#init = init;
  }

  /** Process 1, as the outer world numbers it. */
  get pid(): number {
    if (this.#init === undefined) {
      throw new Error(`lab space ${this.name} is not running`);
    }
    return this.#init.pid;
  }

  /** A file of the space as the outer world can open it; works for sockets, too. */
  pathFromOutside(inside: string): string {
    return `/proc/${this.pid}/root${inside}`;
  }

  enter(argv: readonly string[]): string[] {
    return ["nsenter", "-t", String(this.pid), "-m", "-u", "-i", "-n", "-p", "--", ...argv];
  }

  exec(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run(this.enter(argv), options);
  }

  tryExec(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return tryRun(this.enter(argv), options);
  }

  /** Starts a long-lived program inside. Output goes to `log` in the space's directory. */
  async spawn(argv: readonly string[], log: string, env?: RunOptions["env"]): Promise<SpaceProcess> {
    const wrapper = start(this.enter(argv), path.join(this.directory, log), {
      env: environment(env),
      detached: this.#keep,
    });
    if (this.#keep) {
      wrapper.unref();
    }
    const ended = new Promise<void>((resolve, reject) => {
      wrapper.once("error", reject);
      wrapper.once("exit", () => resolve());
    });
    // nsenter forks into the process namespace; the program itself is its only child.
    const child = await Promise.race([
      waitFor(() => childOf(wrapper), BOOT_DEADLINE_MS, `${argv.join(" ")} to start in ${this.name}`),
      ended.then(() => undefined),
    ]);
    if (child === undefined) {
      throw new Error(`${argv.join(" ")} ended at once, see ${path.join(this.directory, log)}`);
    }
    return { id: child, ended };
  }

  async boot(): Promise<void> {
    const init = await startInit(this.#keep);
    this.#init = init;
    updateRecord(this.name, { init });
    const bootId = path.join(this.directory, "boot-id");
    writeFileSync(bootId, `${randomUUID()}\n`);
    // unshare does this too, but only after its child can already be seen.
    await this.exec(["mount", "--make-rprivate", "/"]);
    await this.exec(["mount", "-t", "proc", "proc", "/proc"]);
    // A machine that was started again has another boot id; programs recognise a reboot by it.
    await this.exec(["mount", "--bind", bootId, "/proc/sys/kernel/random/boot_id"]);
    await this.#mountSysfs();
    await this.exec(["hostname", this.name]);
    await this.exec(["ip", "link", "set", "lo", "up"]);
  }

  /** Pulls the plug: everything inside ends at once; the directory stays. */
  async powerOff(): Promise<void> {
    if (this.#init !== undefined) {
      await endSpace(this.#init);
      this.#init = undefined;
    }
  }

  /** A space that is to be kept stops being ours; until then it counts as a leftover when we die. */
  release(): void {
    const record = readRecord(this.name);
    if (this.#keep && record !== undefined) {
      const { owner: _, ...rest } = record;
      writeRecord(rest);
    }
  }

  async remove(): Promise<void> {
    this.#init = undefined;
    await removeSpace(this.name);
  }

  /** sysfs shows the interfaces of the namespace it was mounted in, and mounting it anew hides the cgroups below it. */
  async #mountSysfs(): Promise<void> {
    const aside = path.join(this.directory, "cgroup");
    mkdirSync(aside, { recursive: true });
    await this.exec(["mount", "--rbind", "/sys/fs/cgroup", aside]);
    await this.exec(["mount", "-t", "sysfs", "sysfs", "/sys"]);
    await this.exec(["mount", "--rbind", aside, "/sys/fs/cgroup"]);
    await this.exec(["umount", "-l", aside]);
  }
}

export interface SpaceProcess {
  readonly id: ProcessId;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
}

export async function createSpace(options: SpaceOptions): Promise<Space> {
  const keep = options.keep ?? false;
  const name = options.name ?? spaceName(options.label);
  createSpaceDirectory({
    name,
    kind: options.kind,
    about: options.about ?? "",
    owner: self(),
  });
  const space = new Space(name, keep);
  try {
    if (options.boot ?? true) {
      await space.boot();
      space.release();
    }
    return space;
  } catch (error) {
    await space.remove();
    throw error;
  }
}

async function startInit(keep: boolean): Promise<ProcessId> {
  const namespaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
  const unshare = spawn("unshare", [...namespaces, "sh", "-c", keep ? KEPT_INIT : OWNED_INIT], {
    stdio: [keep ? "ignore" : "pipe", "ignore", "ignore"],
    detached: keep,
    env: environment(),
  });
  unshare.unref();
  (unshare.stdin as Socket | null)?.unref();
  const failure = new Promise<never>((_, reject) => {
    unshare.once("error", reject);
    unshare.once("exit", (code) => reject(new Error(`unshare ended with ${code}; the lab needs root`)));
  });
  failure.catch(() => undefined);
  return await Promise.race([waitFor(() => childOf(unshare), BOOT_DEADLINE_MS, "a new namespace"), failure]);
}

function childOf(parent: ChildProcess): ProcessId | undefined {
  const child = parent.pid === undefined ? undefined : childrenOf(parent.pid)[0];
  return child === undefined ? undefined : identify(child);
}
