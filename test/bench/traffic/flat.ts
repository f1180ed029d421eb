import type { NetworkSpec } from "../engine-api.ts";
import type { Figure, Target, Unit } from "../figure.ts";
import type { Mode } from "../load/modes.ts";
import { interleave } from "../rounds.ts";
import { fewer, idle, networkOf, type Stage, withContainers, withNetworks } from "../stage.ts";
import type { Summary } from "../stats.ts";
import { targets } from "../targets.ts";
import { serverPort, slice, startServer, startServerIn } from "./load.ts";

export const what = "traffic to a service with an address of its own: mode routed, a bare veth pair, published ports";

type Contestant = "routed" | "bare" | "bridge" | "builtIn";
type Results = Readonly<Record<Contestant, Readonly<Record<Mode, Summary>>>>;

const flat: NetworkSpec = {
  name: "bench-flat",
  driver: "fairway",
  subnet: "10.20.0.0/24",
  options: { mode: "routed" },
};
/** A pair made by hand, with a host route and no rules of ours. */
const bare = { address: "10.21.0.2", link: "bare0", namespace: "bare" } as const;
const units: Readonly<Record<Mode, Unit>> = { echo: "µs", connect: "1/s", stream: "Gbit/s" };
const words: Readonly<Record<Mode, string>> = {
  echo: "LAN: round trip of one byte",
  connect: "LAN: new connections",
  stream: "LAN: one TCP stream",
};
const ports = { bridge: 20_000, builtIn: 20_001 } as const;

export async function measure(stage: Stage): Promise<Figure[]> {
  const containers = [
    idle("server-routed", flat.name, [{ hostPort: serverPort, containerPort: serverPort }]),
    idle("server-bridge", networkOf("fairway").name, [{ hostPort: ports.bridge, containerPort: serverPort }]),
    idle("server-builtIn", networkOf("builtIn").name, [{ hostPort: ports.builtIn, containerPort: serverPort }]),
  ];
  return await withNetworks(stage, [flat, networkOf("fairway"), networkOf("builtIn")], () =>
    withContainers(stage, containers, async () => {
      await stage.client.exec(["ip", "route", "replace", "10.20.0.0/15", "via", stage.address]);
      await openBarePair(stage);
      await Promise.all(containers.map(({ name }) => startServer(stage, name)));
      await startServerIn(stage, ["ip", "netns", "exec", bare.namespace], "server-bare");
      const results = await compare(stage);
      const modes = Object.keys(units) as Mode[];
      return (["bare", "bridge", "builtIn"] as const).flatMap((peer) =>
        modes.map((mode) => against(peer, mode, results)),
      );
    }),
  );
}

/** In the host's own namespaces, with the engine's packet filter told to let it pass. */
async function openBarePair({ host }: Stage): Promise<void> {
  const { address, link, namespace } = bare;
  const inside = ["-n", namespace];
  const commands = [
    ["ip", "netns", "add", namespace],
    ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace],
    ["ip", "addr", "add", "169.254.1.1/32", "dev", link, "scope", "link"],
    ["ip", "link", "set", link, "up"],
    ["ip", ...inside, "link", "set", "lo", "up"],
    ["ip", ...inside, "addr", "add", `${address}/32`, "dev", "eth0"],
    ["ip", ...inside, "link", "set", "eth0", "up"],
    ["ip", ...inside, "route", "add", "169.254.1.1", "dev", "eth0"],
    ["ip", ...inside, "route", "add", "default", "via", "169.254.1.1"],
    ["ip", "route", "add", address, "dev", link],
    ["iptables", "-I", "FORWARD", "-i", link, "-j", "ACCEPT"],
    ["iptables", "-I", "FORWARD", "-o", link, "-j", "ACCEPT"],
  ];
  for (const command of commands) {
    await host.exec(command);
  }
}

async function compare(stage: Stage): Promise<Results> {
  const { client, address, host } = stage;
  const own = await host.docker(
    "inspect",
    "-f",
    "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
    "server-routed",
  );
  const turn = (to: string, port: number) => async () => ({
    echo: await slice(client, "echo", to, port),
    connect: await slice(client, "connect", to, port),
    stream: await slice(client, "stream", to, port),
  });
  return await interleave(fewer(stage, 2), {
    routed: turn(own, serverPort),
    bare: turn(bare.address, serverPort),
    bridge: turn(address, ports.bridge),
    builtIn: turn(address, ports.builtIn),
  });
}

const peers = { bare: "bare veth", bridge: "mode bridge, published", builtIn: "built-in, published" } as const;
type Peer = keyof typeof peers;

const goals: Readonly<Record<Peer, Readonly<Record<Mode, Target>>>> = {
  bare: { echo: targets.flatRoundTrip, connect: targets.flatConnections, stream: targets.flatStream },
  bridge: { echo: targets.fasterRoundTrip, connect: targets.fasterConnections, stream: targets.fasterStream },
  builtIn: { echo: targets.fasterRoundTrip, connect: targets.fasterConnections, stream: targets.fasterStream },
};

function against(peer: Peer, mode: Mode, results: Results): Figure {
  return {
    bench: "flat",
    what: words[mode],
    unit: units[mode],
    fairway: results.routed[mode],
    peer: results[peer][mode],
    peerIs: peers[peer],
    target: goals[peer][mode],
  };
}
