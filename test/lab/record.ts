import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { EngineVersion } from "./engines.ts";
import { identify, isAlive, type ProcessId, signal, waitUntilGone } from "./processes.ts";
import { waitFor } from "./wait.ts";

const GONE_DEADLINE_MS = 20_000;
const CGROUP_ROOT = "/sys/fs/cgroup";

export type SpaceKind = "host" | "client" | "lan";

export interface EngineRecord {
  readonly version: EngineVersion;
  /** Absent while it is down. */
  readonly process?: ProcessId;
}

/** A place on a LAN. */
export interface Attachment {
  readonly lan: string;
  /** Interface inside the space. */
  readonly ifName: string;
  /** Last part of both addresses. */
  readonly number: number;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What a run leaves on disk about itself, so that a later run can tell leftovers from neighbours. */
export interface SpaceRecord {
  readonly name: string;
  readonly kind: SpaceKind;
  /** Free text for `list`: the engine version, the LAN it is on, … */
  readonly about: string;
  /** The process whose end makes this a leftover; absent when it shall outlive its maker. */
  readonly owner?: ProcessId;
  /** Process 1 of the space. Everything inside ends with it. */
  readonly init?: ProcessId;
  readonly engine?: EngineRecord;
  readonly attachments?: readonly Attachment[];
}

/**
 * On a disk, because the engines' data lives below it and an overlay's upper layer cannot be in another overlay.
 * FAIRWAY_LAB_DIR replaces it.
 */
export function labDirectory(): string {
  return process.env["FAIRWAY_LAB_DIR"] ?? "/var/tmp/fairway-lab";
}

export function spaceDirectory(name: string): string {
  return path.join(labDirectory(), name);
}

/** Unique on this machine, and short enough for a host name. */
export function spaceName(label: string): string {
  return `fwlab-${label}-${process.pid.toString(36)}${Math.random().toString(36).slice(2, 6)}`;
}

/** The record is there before anything else of the space is. */
export function createSpaceDirectory(record: SpaceRecord): string {
  const directory = spaceDirectory(record.name);
  const unborn = path.join(labDirectory(), `new-${record.name}`);
  mkdirSync(unborn, { recursive: true });
  writeFileSync(path.join(unborn, "record.json"), JSON.stringify(record, undefined, 2));
  try {
    renameSync(unborn, directory);
  } catch (error) {
    rmSync(unborn, { recursive: true });
    const taken = (error as NodeJS.ErrnoException).code === "ENOTEMPTY";
    throw taken ? new Error(`there is a lab space ${record.name} already`) : error;
  }
  return directory;
}

export function writeRecord(record: SpaceRecord): void {
  const file = path.join(spaceDirectory(record.name), "record.json");
  writeFileSync(`${file}.new`, JSON.stringify(record, undefined, 2));
  renameSync(`${file}.new`, file);
}

export function updateRecord(name: string, change: Partial<SpaceRecord>): void {
  const record = readRecord(name);
  if (record === undefined) {
    throw new Error(`no lab space ${name} below ${labDirectory()}`);
  }
  writeRecord({ ...record, ...change });
}

/** Undefined when there is no such space, or its maker died before it wrote a word. */
export function readRecord(name: string): SpaceRecord | undefined {
  try {
    return JSON.parse(readFileSync(path.join(spaceDirectory(name), "record.json"), "utf8")) as SpaceRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

export function listRecords(): SpaceRecord[] {
  return spaceNames().flatMap((name) => readRecord(name) ?? []);
}

/** Is it still of use to anyone? A space without an owner lives until it is stopped or its process 1 is gone. */
export function isInUse(record: SpaceRecord): boolean {
  if (record.owner !== undefined) {
    return isAlive(record.owner);
  }
  return record.init !== undefined && isAlive(record.init);
}

/** Removes what dead runs left behind; returns the names. Spaces of living runs stay. */
export async function sweep(): Promise<string[]> {
  const leftovers = spaceNames().filter((name) => {
    const record = readRecord(name);
    return record !== undefined && !isInUse(record);
  });
  await Promise.all(leftovers.map((name) => removeSpace(name)));
  return leftovers;
}

/**
 * Ends the space's process 1, and with it by the kernel's hand every process, mount and interface inside; then removes
 * what does not belong to a process: its cgroups and its directory.
 */
export async function removeSpace(name: string): Promise<void> {
  const init = readRecord(name)?.init;
  if (init !== undefined) {
    await endSpace(init);
  }
  await removeCgroups(name);
  rmSync(spaceDirectory(name), { recursive: true, force: true });
}

export async function endSpace(init: ProcessId): Promise<void> {
  signal(init, "SIGKILL");
  await waitUntilGone(init, GONE_DEADLINE_MS);
}

export function self(): ProcessId {
  const id = identify(process.pid);
  if (id === undefined) {
    throw new Error("/proc does not show this process");
  }
  return id;
}

function spaceNames(): string[] {
  return entriesOf(labDirectory()).filter((name) => name.startsWith("fwlab-"));
}

/** Each engine gets a parent cgroup with its own name, below every version 1 hierarchy or the one of version 2. */
async function removeCgroups(name: string): Promise<void> {
  for (const hierarchy of ["", ...entriesOf(CGROUP_ROOT)]) {
    const group = path.join(CGROUP_ROOT, hierarchy, name);
    // Ending processes leave their cgroup a moment after they are gone from /proc; until then it is busy.
    await waitFor(() => removeGroup(group), GONE_DEADLINE_MS, `cgroup ${group} to be removed`);
  }
}

function removeGroup(group: string): true {
  for (const child of entriesOf(group)) {
    removeGroup(path.join(group, child));
  }
  try {
    rmdirSync(group);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw error;
    }
  }
  return true;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return [];
    }
    throw error;
  }
}
