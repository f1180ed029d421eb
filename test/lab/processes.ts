import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { waitFor } from "./wait.ts";

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of proc(5) /proc/PID/stat. */
  readonly startTicks: number;
}

/** Undefined when there is no such process, or only its zombie. */
export function identify(pid: number): ProcessId | undefined {
  const fields = statFields(pid);
  return fields === undefined || fields[0] === "Z" ? undefined : { pid, startTicks: Number(fields[19]) };
}

export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.startTicks === id.startTicks;
}

/** Sends the signal unless that very process is gone. */
export function signal(id: ProcessId, name: NodeJS.Signals): void {
  if (isAlive(id)) {
    send(id.pid, name);
  }
}

export async function waitUntilGone(id: ProcessId, deadlineMs: number): Promise<void> {
  await waitFor(() => !isAlive(id), deadlineMs, `process ${id.pid} to end`);
}

/** Children in the order they were started. */
export function childrenOf(pid: number): number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    const child = Number(entry);
    if (Number.isInteger(child) && statFields(child)?.[1] === String(pid)) {
      found.push(child);
    }
  }
  return found.sort((a, b) => a - b);
}

/** Everything in the process namespace that /proc/PID/ns/pid names, as the caller numbers it. */
export function processesIn(pidNamespace: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && readlinkSync(`/proc/${pid}/ns/pid`) === pidNamespace;
      } catch {
        return false;
      }
    });
}

/** Kills children before their parent: nsenter does not pass signals on to what it started. */
export function killTree(pid: number | undefined): void {
  if (pid === undefined) {
    return;
  }
  for (const child of childrenOf(pid)) {
    killTree(child);
  }
  send(pid, "SIGKILL");
}

/** Fields of /proc/PID/stat from the state on; the command before them may contain blanks and brackets. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text
      .slice(text.lastIndexOf(")") + 2)
      .trim()
      .split(" ");
  } catch {
    return undefined;
  }
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}
