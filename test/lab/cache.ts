import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { debianReleases, type EngineVersion } from "./engines.ts";
import { run, tryRun } from "./exec.ts";
import { isAlive, type ProcessId } from "./processes.ts";
import { self } from "./record.ts";
import { waitFor } from "./wait.ts";

const DEBOOTSTRAP = "/usr/share/debootstrap";
const BUILD_DEADLINE_MS = 15 * 60_000;
/** Raise it when the recipe changes: trees with another stamp are made anew. */
const RECIPE = 1;
const PACKAGES = ["docker.io", "docker-cli", "iptables", "nftables", "iproute2", "ca-certificates"];

/** Where trees and images stay between runs. FAIRWAY_LAB_CACHE replaces it. */
export function cacheDirectory(): string {
  return process.env["FAIRWAY_LAB_CACHE"] ?? "/var/cache/fairway-lab";
}

/**
 * Root directory of a system that has this engine, made when absent (about a minute, from Debian's mirrors).
 * "/" when this machine's own engine is the wanted version. Never written to: hosts lay their own layer over it.
 */
export async function engineRoot(version: EngineVersion): Promise<string> {
  if (version === "20.10" && (await ownEngine()).includes(`version ${version}.`)) {
    return "/";
  }
  const release = debianReleases[version];
  const packages = release === "bookworm" ? PACKAGES.filter((name) => name !== "docker-cli") : PACKAGES;
  return await buildOnce(release, `${RECIPE} ${packages.join(",")}`, (target) =>
    debootstrap(release, packages, target),
  );
}

/**
 * Runs `build` for a file or directory in the cache unless it is there with this stamp. The result appears under its
 * name complete or not at all, and two runs do not build it twice.
 */
export async function buildOnce(
  name: string,
  stamp: string,
  build: (target: string) => Promise<void>,
): Promise<string> {
  const target = path.join(cacheDirectory(), name);
  const isReady = () => existsSync(target) && readText(`${target}.stamp`) === stamp;
  if (isReady()) {
    return target;
  }
  mkdirSync(cacheDirectory(), { recursive: true });
  await withLock(`${target}.lock`, async () => {
    if (isReady()) {
      return;
    }
    rmSync(`${target}.stamp`, { force: true });
    rmSync(`${target}.new`, { recursive: true, force: true });
    await build(`${target}.new`);
    rmSync(target, { recursive: true, force: true });
    renameSync(`${target}.new`, target);
    writeFileSync(`${target}.stamp`, stamp);
  });
  return target;
}

async function ownEngine(): Promise<string> {
  try {
    return (await tryRun(["dockerd", "--version"])).stdout;
  } catch {
    return "";
  }
}

async function debootstrap(release: string, packages: readonly string[], target: string): Promise<void> {
  const scripts = withScriptFor(release);
  const mirror = process.env["FAIRWAY_LAB_MIRROR"];
  const argv = ["debootstrap", "--variant=minbase", `--include=${packages.join(",")}`, release, target];
  await run(mirror === undefined ? argv : [...argv, mirror], {
    env: { DEBOOTSTRAP_DIR: scripts },
    timeoutMs: BUILD_DEADLINE_MS,
  });
  rmSync(path.join(target, "var/cache/apt/archives"), { recursive: true, force: true });
}

/** debootstrap knows releases by name, and not those younger than itself; every recent one is built like "sid". */
function withScriptFor(release: string): string {
  if (existsSync(path.join(DEBOOTSTRAP, "scripts", release))) {
    return DEBOOTSTRAP;
  }
  const copy = path.join(cacheDirectory(), "debootstrap");
  cpSync(DEBOOTSTRAP, copy, { recursive: true, verbatimSymlinks: true });
  const script = path.join(copy, "scripts", release);
  rmSync(script, { force: true });
  symlinkSync("sid", script);
  return copy;
}

async function withLock(file: string, action: () => Promise<void>): Promise<void> {
  await waitFor(() => tryLock(file), BUILD_DEADLINE_MS, `lock ${file}`);
  try {
    await action();
  } finally {
    rmSync(file, { force: true });
  }
}

function tryLock(file: string): boolean {
  try {
    const lock = openSync(file, "wx");
    writeFileSync(lock, JSON.stringify(self()));
    closeSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
    const text = readText(file);
    if (text !== undefined && text !== "" && !isAlive(JSON.parse(text) as ProcessId)) {
      rmSync(file, { force: true });
    }
    return false;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
