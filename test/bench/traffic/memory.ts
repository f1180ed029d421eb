import { readFileSync, readlinkSync } from "node:fs";
import type { LabHost } from "../../lab/host.ts";
import { processesIn } from "../../lab/processes.ts";

/** Sum over processes, proc(5) /proc/PID/smaps_rollup. */
export interface Memory {
  readonly processes: number;
  readonly rssMb: number;
  readonly pssMb: number;
}

export function driverMemory(host: LabHost): Memory {
  return memoryOf([host.driverPid]);
}

/** All processes with which the built-in driver forwards what the kernel's rules do not. */
export function proxyMemory(host: LabHost): Memory {
  const everything = processesIn(readlinkSync(`/proc/${host.space.pid}/ns/pid`));
  return memoryOf(everything.filter((pid) => commandOf(pid) === "docker-proxy"));
}

function memoryOf(pids: readonly number[]): Memory {
  const texts = pids.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  const sumOf = (field: string): number =>
    texts.reduce((sum, text) => sum + Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]), 0) / 1024;
  return { processes: pids.length, rssMb: sumOf("Rss"), pssMb: sumOf("Pss") };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
