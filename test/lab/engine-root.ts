import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Space } from "./space.ts";

export type IptablesBackend = "nft" | "legacy";

const IPTABLES_PROGRAMS = ["iptables", "iptables-save", "iptables-restore"];

/** Directories of a host that outlive a reboot, as the outer world sees them. */
export interface Disks {
  /** The engine's /var/lib/docker. */
  readonly engine: string;
  /** The driver's state. */
  readonly driver: string;
}

export function disksOf(space: Space): Disks {
  return { engine: path.join(space.directory, "disk/docker"), driver: path.join(space.directory, "disk/fairway") };
}

/**
 * Lays out the file systems of a freshly booted host. The host has two views that share /run, /proc, /sys and /dev:
 *
 * - "/" of its mount namespace is this machine's own tree, so that the checkout, node and our tools are where they are;
 *   the driver and test programs run there.
 * - the returned directory is the root of the engine's distribution under a throw-away layer; the engine, its command
 *   line and its iptables run in there by chroot.
 *
 * Because /run is the same tmpfs in both, a plugin socket that the driver makes in /run/docker/plugins is where the
 * engine looks for it, and neither needs to know the other's root.
 */
export async function mountEngineRoot(space: Space, tree: string): Promise<string> {
  const root = path.join(space.directory, "root");
  const layer = path.join(space.directory, "layer");
  const disks = disksOf(space);
  for (const directory of [root, layer, disks.engine, disks.driver]) {
    mkdirSync(directory, { recursive: true });
  }
  await space.exec(["mount", "-t", "tmpfs", "tmpfs", layer]);
  await space.exec(["mkdir", `${layer}/upper`, `${layer}/work`]);
  const layers = `lowerdir=${tree},upperdir=${layer}/upper,workdir=${layer}/work`;
  await space.exec(["mount", "-t", "overlay", "overlay", "-o", layers, root]);
  await space.exec(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
  await space.exec(["mkdir", "-p", "/run/docker/plugins", `${root}/var/lib/docker`, `${root}/etc/docker`]);
  // Shared, so that sandboxes which the engine mounts below /run/docker/netns appear in the other view as well.
  await space.exec(["mount", "--make-shared", "/run"]);
  for (const shared of ["/run", "/proc", "/sys", "/dev"]) {
    await space.exec(["mount", "--rbind", shared, `${root}${shared}`]);
  }
  await space.exec(["mount", "--bind", disks.engine, `${root}/var/lib/docker`]);
  // Settings of this machine's own engine are none of the lab's business.
  await space.exec(["mount", "-t", "tmpfs", "tmpfs", `${root}/etc/docker`]);
  return root;
}

/** Makes "iptables" in both views of the host mean this back-end. */
export async function chooseIptables(space: Space, root: string, backend: IptablesBackend): Promise<void> {
  const outer = path.join(space.directory, "layer/alternatives");
  await space.exec(["cp", "-a", "/etc/alternatives", outer]);
  for (const program of [...IPTABLES_PROGRAMS, ...IPTABLES_PROGRAMS.map((name) => name.replace("ip", "ip6"))]) {
    const [base = "", ...action] = program.split("-");
    const target = `/usr/sbin/${[base, backend, ...action].join("-")}`;
    await space.exec(["ln", "-sfn", target, `${root}/etc/alternatives/${program}`]);
    await space.exec(["ln", "-sfn", target, `${outer}/${program}`]);
  }
  await space.exec(["mount", "--bind", outer, "/etc/alternatives"]);
}
