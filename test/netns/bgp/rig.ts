import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderBird } from "../../../src/bgp/bird-text.ts";
import { routingDaemon } from "../../../src/bgp/daemons.ts";
import { renderFrr } from "../../../src/bgp/frr-text.ts";
import type { RoutingDaemonPort } from "../../../src/bgp/port.ts";
import { readPasswords } from "../../../src/bgp/secrets.ts";
import type { BgpPlan, DaemonKind } from "../../../src/bgp/settings.ts";
import { resolveConfig } from "../../../src/daemon/config.ts";
import { Bird } from "../../lab/bird.ts";
import { Frr } from "../../lab/frr.ts";
import { ipHere, Sandbox } from "../kernel/sandbox.ts";

export const torAddresses = { ipv4: "10.99.0.1", ipv6: "fd99::1" } as const;
export const hostAddresses = { ipv4: "10.99.0.11", ipv6: "fd99::11" } as const;

const torConfig = (extra: string): string => `
router id 10.99.0.1;
protocol device {}
protocol static { ipv4; route 0.0.0.0/0 unreachable; route 198.51.100.0/24 unreachable; }
protocol bfd { interface "*" { interval 300 ms; multiplier 3; }; }
template bgp hosts { local as 65000; passive; connect delay time 1; error wait time 1, 2; graceful restart aware; ${extra} }
protocol bgp host4 from hosts { neighbor ${hostAddresses.ipv4} as 65011; ipv4 { import all; export all; }; }
protocol bgp host6 from hosts { neighbor ${hostAddresses.ipv6} as 65011; ipv6 { import all; export none; }; }
`;

/** What the operator writes: everything but what fairway's file has. */
const hostConfig = (include: string): string => `router id 10.99.0.11;\nprotocol device {}\ninclude "${include}*";\n`;

export interface World extends AsyncDisposable {
  readonly kind: DaemonKind;
  readonly tor: Bird;
  readonly host: Bird | Frr;
  readonly port: RoutingDaemonPort;
  readonly includeFile: string;
  readonly directory: string;
}

export const peers = [
  { name: "tor4", address: torAddresses.ipv4, as: 65000, holdSeconds: 9, communities: ["65000:100", "65011:1:2"] },
  { name: "tor6", address: torAddresses.ipv6, as: 65000, holdSeconds: 9 },
];

/** A text by way of the configuration file, as an operator gets it. */
export function planOf(kind: DaemonKind, bgp: object = {}, flatSpace: readonly string[] = []): BgpPlan {
  const document = { flatSpace, bgp: { daemon: kind, localAs: 65011, peers, ...bgp } };
  const config = resolveConfig({ flags: {}, env: {}, readFile: () => JSON.stringify(document) });
  if (config.bgp === undefined) {
    throw new Error("the configuration has no section bgp");
  }
  return { ...config.bgp, flatSpace: config.flatSpace, passwords: readPasswords(config.bgp.peers) };
}

export function textOf(plan: BgpPlan): string {
  return plan.daemon === "bird" ? renderBird(plan) : renderFrr(plan);
}

export interface WorldOptions {
  /** Statements in the ToR's sessions. */
  readonly torExtra?: string;
  /** The operator's own configuration of the host's daemon, behind what is needed anyway. */
  readonly hostExtra?: string;
}

/** host [the test's own namespace] eth0 -- eth0 ToR; containers are behind the link fw0. */
export async function buildWorld(kind: DaemonKind, options: WorldOptions = {}): Promise<World> {
  await using building = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "fairway-bgp-"));
  chmodSync(directory, 0o755);
  building.defer(() => rmSync(directory, { recursive: true }));
  const torSpace = building.use(await Sandbox.open());
  await ipHere(
    `link add eth0 type veth peer name eth0 netns ${torSpace.pid}`,
    `addr add ${hostAddresses.ipv4}/24 dev eth0`,
    `addr add ${hostAddresses.ipv6}/64 dev eth0 nodad`,
    "link set eth0 up",
    "link add fw0 type veth peer name fw1",
    "link set fw0 up",
    "link set fw1 up",
  );
  building.defer(async () => {
    await ipHere("link del fw0");
  });
  await torSpace.ip(
    `addr add ${torAddresses.ipv4}/24 dev eth0`,
    `addr add ${torAddresses.ipv6}/64 dev eth0 nodad`,
    "link set eth0 up",
  );
  const prefix = ["nsenter", "-t", String(torSpace.pid), "-n", "--"];
  const tor = building.use(
    await Bird.start({ directory: join(directory, "tor"), config: torConfig(options.torExtra ?? ""), prefix }),
  );
  const hostDirectory = join(directory, "host");
  const includeFile = join(hostDirectory, "fairway.conf");
  const host = building.use(await startHost(kind, hostDirectory, includeFile, options.hostExtra ?? ""));
  const controlSocket = host instanceof Bird ? host.controlSocket : hostDirectory;
  const port = routingDaemon(kind, { controlSocket, includeFile });
  const built = building.move();
  return { kind, tor, host, port, includeFile, directory, [Symbol.asyncDispose]: () => built.disposeAsync() };
}

async function startHost(kind: DaemonKind, directory: string, includeFile: string, extra: string): Promise<Bird | Frr> {
  return kind === "bird"
    ? await Bird.start({ directory, config: `${hostConfig(includeFile)}${extra}`, recover: true })
    : await Frr.start({ directory, daemons: ["zebra", "bgpd", "bfdd"], config: extra });
}
