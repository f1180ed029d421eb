/** Hosts of a fabric whose routing daemons announce what fairway says, by the text that fairway generates. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { engineUnderTest } from "./engines.ts";
import { type Fabric, type FabricOptions, openFabric } from "./fabric.ts";
import type { FabricHost, RoutingKind } from "./fabric-host.ts";
import { TEST_IMAGE } from "./image.ts";
import { whoEventually } from "./probe.ts";
import { startServer } from "./server.ts";
import type { Place } from "./space.ts";

const FAIRWAY = path.join(import.meta.dirname, "../../bin/fairway");
const CONFIG = "/run/fairway-config.json";
/** Of the daemon on each host, after a restart as well. */
export const fairwayArguments: readonly string[] = ["--config", CONFIG, "--docker-host", "unix:///run/docker.sock"];

export interface RoutedFabricOptions extends Pick<FabricOptions, "engine" | "hosts" | "tor" | "bfd"> {
  /** Of the hosts. Default "bird". */
  readonly daemon?: RoutingKind;
  /** Before fairway starts on the hosts. Returns more settings of their configuration files. */
  readonly prepare?: (fabric: Fabric) => Promise<Readonly<Record<string, unknown>>>;
}

/** A container on a host of the fabric. */
export interface FlatBox extends Place {
  readonly id: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Engines and drivers run, sessions are up. */
export async function openRoutedFabric(options: RoutedFabricOptions = {}): Promise<Fabric> {
  const { daemon = "bird", prepare, ...rest } = options;
  const fabric = await openFabric({
    engine: engineUnderTest(),
    ...rest,
    routing: "none",
    host: { images: ["test"] },
  });
  try {
    const settings = (await prepare?.(fabric)) ?? {};
    await Promise.all(fabric.hosts.map((host) => startHostServices(host, daemon, settings)));
    await fabric.settled();
    return fabric;
  } catch (error) {
    await fabric[Symbol.asyncDispose]();
    throw error;
  }
}

async function startHostServices(
  host: FabricHost,
  daemon: RoutingKind,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const config = { bgp: bgpSettings(host, daemon), flatSpace: ["10.60.0.0/16", "2001:db8:60::/48"], ...settings };
  writeFileSync(host.space.pathFromOutside(CONFIG), JSON.stringify(config));
  const text = await fairway(host, "bgp", "config");
  await Promise.all([
    host.startRouting({ kind: daemon, config: daemon === "bird" ? `${birdMain}\n${text}` : text }),
    host.lab.startDriver({ args: fairwayArguments }),
  ]);
}

/** What stands in the operator's own file before the generated text. */
const birdMain = "log stderr all;\nprotocol device { scan time 10; }";

function bgpSettings({ peering }: FabricHost, daemon: RoutingKind): object {
  const { local, remote } = peering;
  const common = { as: remote.asn, bfd: true, holdSeconds: 9 };
  return {
    daemon,
    routerId: local.ipv4,
    localAs: local.asn,
    peers: [
      { name: "tor4", address: remote.ipv4, ...common },
      { name: "tor6", address: remote.ipv6, ...common },
    ],
  };
}

/** The checkout's command line on the host, with the host's configuration. */
export function fairway(host: FabricHost, ...args: readonly string[]): Promise<string> {
  return host.exec([FAIRWAY, ...args, "--config", CONFIG]);
}

export async function createNetwork(host: FabricHost, name: string, ...args: readonly string[]): Promise<void> {
  await host.lab.docker("network", "create", "-d", "fairway", "-o", "mode=routed", ...args, name);
}

/** Returns when its servers (TCP and UDP port 80) answer inside. */
export async function runBox(
  host: FabricHost,
  name: string,
  network: string,
  ...args: readonly string[]
): Promise<FlatBox> {
  const published = ["-p", "80:80", "-p", "80:80/udp"];
  await host.lab.docker("run", "-d", "--name", name, "--network", network, ...published, ...args, TEST_IMAGE);
  const box = await boxOf(host, name);
  await whoEventually(box, "127.0.0.1", 80);
  await serveInside(host, name, ["udp:80"]);
  return box;
}

/** More servers in a running container, with its network and host name. @param ports as startServer has them */
export async function serveInside(host: FabricHost, name: string, ports: readonly string[]): Promise<void> {
  const pid = await host.lab.docker("inspect", "-f", "{{.State.Pid}}", name);
  await startServer(host.space, ports, {
    enter: ["nsenter", "-t", pid, "-n", "-u", "-p", "--"],
    log: `${name}-${ports.join("-").replaceAll(":", "")}.log`,
  });
}

export async function boxOf(host: FabricHost, name: string): Promise<FlatBox> {
  const format = "{{.Id}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
  const [id = "", ipv4 = "", ipv6 = ""] = (await host.lab.docker("inspect", "-f", format, name)).split(" ");
  assert.notEqual(ipv4, "", `${name} has no address`);
  const { exec, tryExec } = await host.lab.container(name);
  return { name, id, ipv4, ipv6, exec, tryExec };
}

/** Destinations in the main table, both families. */
export async function destinations(place: Place): Promise<string[]> {
  const tables = await Promise.all(["-4", "-6"].map((family) => place.exec(["ip", family, "-o", "route"])));
  return tables.flatMap((table) =>
    table.split("\n").map((line) => line.replace(/^unreachable /, "").split(" ")[0] ?? ""),
  );
}
