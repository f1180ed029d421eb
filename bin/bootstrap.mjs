/**
 * Installs what is missing on a Debian machine, then runs a script with the pinned Node:
 *   node bin/bootstrap.mjs test/run.ts [arguments]
 * Runs on Node 18 or later, before anything is installed. A second run finds everything in place and costs no time.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Debian package → programs, any of which proves that it is not needed. Another engine than Debian's is kept. */
const debianPackages = {
  "docker.io": ["/usr/sbin/dockerd", "/usr/bin/dockerd", "/usr/local/bin/dockerd"],
  iptables: ["/usr/sbin/iptables"],
  nftables: ["/usr/sbin/nft"],
  "util-linux": ["/usr/bin/nsenter"],
  debootstrap: ["/usr/sbin/debootstrap"],
  "busybox-static": ["/bin/busybox"],
  conntrack: ["/usr/sbin/conntrack"],
  curl: ["/usr/bin/curl"],
  "docker-compose": ["/usr/bin/docker-compose"],
  "etcd-server": ["/usr/bin/etcd"],
  "etcd-client": ["/usr/bin/etcdctl"],
  "iputils-ping": ["/bin/ping"],
  iproute2: ["/sbin/ip"],
  ethtool: ["/usr/sbin/ethtool"],
  procps: ["/usr/bin/ps"],
};

/** What a pretended data centre is made of: routing daemons, a store. */
const fabricPackages = {
  traceroute: ["/usr/bin/traceroute"],
  bird2: ["/usr/sbin/bird"],
  frr: ["/usr/lib/frr/bgpd"],
  "etcd-server": ["/usr/bin/etcd"],
  "etcd-client": ["/usr/bin/etcdctl"],
};
const scriptsWithoutFabric = ["test/demo/main.ts", "bin/check.mjs"];

/** Debian package → its service. Scripts start these programs themselves; nobody asked for them on this machine. */
const unwantedServices = { bird2: "bird", frr: "frr", "etcd-server": "etcd" };
const startPolicy = "/usr/sbin/policy-rc.d";

const forwardedSignals = ["SIGINT", "SIGTERM", "SIGHUP"];

async function main() {
  const [script, ...args] = process.argv.slice(2);
  if (script === undefined) {
    fail("usage: node bin/bootstrap.mjs SCRIPT [arguments]");
  }
  // Before sudo, so that these files belong to the person whose checkout it is.
  installNodePackages();
  build();
  if (process.getuid?.() !== 0) {
    say("needs root for network namespaces and a Docker engine: asking sudo");
    process.exit(await runInForeground("sudo", ["env", ...keptSettings(), process.execPath, ...process.argv.slice(1)]));
  }
  installDebianPackages(debianPackages);
  if (!scriptsWithoutFabric.includes(script)) {
    const allowStarts = forbidStarts();
    installDebianPackages(fabricPackages);
    allowStarts();
  }
  const node = pinnedNode();
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  process.exit(await runInForeground(node, [join(root, script), ...args], env));
}

/** sudo starts with a clean environment. */
function keptSettings() {
  const kept = /^(PATH|TERM|NO_COLOR|FAIRWAY_.*)$/;
  return Object.entries(process.env).flatMap(([name, value]) => (kept.test(name) ? [`${name}=${value}`] : []));
}

function installNodePackages() {
  const stamp = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(stamp) && existsSync(pinnedNode()) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) {
    return;
  }
  timed("installing Node packages as pinned in package-lock.json", () => {
    run("npm", ["ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund"]);
  });
}

/** Compiled code older than a source would test yesterday's program. */
function build() {
  const stamp = join(root, "dist", ".built");
  const inputs = [join(root, "tsconfig.json"), ...sources(join(root, "src"))];
  const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs));
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newest) {
    return;
  }
  timed("building", () => {
    run(pinnedNode(), [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", join(root, "tsconfig.json")]);
    writeFileSync(stamp, "");
  });
}

function installDebianPackages(packages) {
  const missing = Object.entries(packages)
    .filter(([, programs]) => !programs.some((program) => existsSync(program)))
    .map(([name]) => name);
  if (missing.length === 0) {
    return;
  }
  if (!existsSync("/usr/bin/apt-get")) {
    fail(`this is not Debian; install what it calls ${missing.join(" ")} and try again`);
  }
  timed(`installing Debian packages: ${missing.join(" ")}`, () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    run("apt-get", ["update", "-qq"], env);
    // Nobody's packages are removed to make room for these.
    run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "--no-remove", ...missing], env);
    for (const [, service] of Object.entries(unwantedServices).filter(([name]) => missing.includes(name))) {
      run("update-rc.d", [service, "disable"], env);
    }
  });
}

/** Where systemd runs, packages start their services whatever RUNLEVEL says; only this file stops them (deb-systemd-invoke(1p)). */
function forbidStarts() {
  if (existsSync(startPolicy)) {
    return () => undefined;
  }
  writeFileSync(startPolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
  const remove = () => rmSync(startPolicy, { force: true });
  process.once("exit", remove);
  return remove;
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

/** Ends with the program's exit code and not before the program: one that was interrupted still has to clean up. */
function runInForeground(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: root, env, stdio: "inherit" });
  for (const signal of forwardedSignals) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve) => {
    child.once("error", (error) => fail(`cannot run ${command}: ${error.message}`));
    child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

function timed(what, action) {
  say(`${what} ...`);
  const startMs = Date.now();
  action();
  say(`${what}: done in ${((Date.now() - startMs) / 1000).toFixed(0)} s`);
}

function say(text) {
  process.stderr.write(`fairway: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

await main();
