/**
 * Installs what is missing on a Debian machine, then runs a script with the pinned Node:
 *   node bin/bootstrap.mjs test/run.ts [arguments]
 * Runs on Node 18 or later, before anything is installed. A second run finds everything in place and costs no time.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Program that proves a package is there → Debian package. */
const debianPackages = {
  "/usr/sbin/dockerd": "docker.io",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/nft": "nftables",
  "/usr/bin/nsenter": "util-linux",
  "/usr/sbin/debootstrap": "debootstrap",
  "/bin/busybox": "busybox-static",
  "/usr/sbin/conntrack": "conntrack",
  "/usr/bin/curl": "curl",
  "/usr/bin/docker-compose": "docker-compose",
  "/sbin/ip": "iproute2",
  "/usr/sbin/ethtool": "ethtool",
};

function main() {
  const [script, ...args] = process.argv.slice(2);
  if (script === undefined) {
    fail("usage: node bin/bootstrap.mjs SCRIPT [arguments]");
  }
  if (process.getuid?.() !== 0) {
    rerunWithSudo();
  }
  installDebianPackages();
  installNodePackages();
  build();
  const node = pinnedNode();
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  const result = spawnSync(node, [join(root, script), ...args], { cwd: root, env, stdio: "inherit" });
  process.exit(result.status ?? 1);
}

function rerunWithSudo() {
  say("needs root for network namespaces and a Docker engine: asking sudo");
  const result = spawnSync("sudo", ["--preserve-env=PATH", process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
  });
  process.exit(result.status ?? 1);
}

function installDebianPackages() {
  const missing = Object.entries(debianPackages)
    .filter(([program]) => !existsSync(program))
    .map(([, name]) => name);
  if (missing.length === 0) {
    return;
  }
  say(`installing Debian packages: ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  run("apt-get", ["update", "-qq"], env);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], env);
}

function installNodePackages() {
  const stamp = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(stamp) && existsSync(pinnedNode()) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) {
    return;
  }
  say("installing Node packages as pinned in package-lock.json");
  run("npm", ["ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund"]);
}

/** Compiled code older than a source would test yesterday's program. */
function build() {
  const stamp = join(root, "dist", ".built");
  const newest = Math.max(...sources(join(root, "src")).map((path) => statSync(path).mtimeMs));
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newest) {
    return;
  }
  say("building");
  run(pinnedNode(), [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", join(root, "tsconfig.json")]);
  writeFileSync(stamp, "");
}

function sources(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function pinnedNode() {
  return join(root, "node_modules", `node-linux-${process.arch}`, "bin", "node");
}

function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
  if (result.status !== 0) {
    const output = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().split("\n").slice(-20).join("\n");
    fail(`${command} ${args.join(" ")} failed (${result.error?.message ?? `exit ${result.status}`})\n${output}`);
  }
}

function say(text) {
  process.stderr.write(`fairway: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

main();
