import type { NetworkSpec } from "../engine-api.ts";
import type { Figure, Target, Unit } from "../figure.ts";
import type { Mode } from "../load/modes.ts";
import { interleave } from "../rounds.ts";
import { fewer, idle, networkOf, type Stage, withContainers, withNetworks } from "../stage.ts";
import type { Summary } from "../stats.ts";
import { targets } from "../targets.ts";
import { serverPort, slice, startServer } from "./load.ts";

export const what = "traffic to a service that has the host's address: mode host, --network host, a published port";

type Contestant = "share" | "host" | "bridge";
type Results = Readonly<Record<Contestant, Readonly<Record<Mode, Summary>>>>;

const shared: NetworkSpec = {
  name: "bench-share",
  driver: "fairway",
  ipamDriver: "fairway",
  options: { mode: "host", claim: "published" },
};
const units: Readonly<Record<Mode, Unit>> = { echo: "µs", connect: "1/s", stream: "Gbit/s" };
const words: Readonly<Record<Mode, string>> = {
  echo: "LAN: round trip of one byte",
  connect: "LAN: new connections",
  stream: "LAN: one TCP stream",
};
/** What each container's server listens on, and where a client finds it. */
const ports: Readonly<Record<Contestant, number>> = { share: 8081, host: 8082, bridge: 20_001 };

export async function measure(stage: Stage): Promise<Figure[]> {
  const containers = [
    idle("server-share", shared.name, [{ hostPort: ports.share, containerPort: ports.share }]),
    idle("server-host", "host"),
    idle("server-bridge", networkOf("builtIn").name, [{ hostPort: ports.bridge, containerPort: serverPort }]),
  ];
  return await withNetworks(stage, [shared, networkOf("builtIn")], () =>
    withContainers(stage, containers, async () => {
      await startServer(stage, "server-share", ports.share);
      await startServer(stage, "server-host", ports.host);
      await startServer(stage, "server-bridge");
      const results = await compare(stage);
      const modes = Object.keys(units) as Mode[];
      return [
        ...modes.map((mode) => against("host", mode, results)),
        ...modes.map((mode) => against("bridge", mode, results)),
      ];
    }),
  );
}

async function compare(stage: Stage): Promise<Results> {
  const { client, address } = stage;
  const turn = (contestant: Contestant) => async () => ({
    echo: await slice(client, "echo", address, ports[contestant]),
    connect: await slice(client, "connect", address, ports[contestant]),
    stream: await slice(client, "stream", address, ports[contestant]),
  });
  return await interleave(fewer(stage, 2), { share: turn("share"), host: turn("host"), bridge: turn("bridge") });
}

const goals: Readonly<Record<"host" | "bridge", Readonly<Record<Mode, Target>>>> = {
  host: { echo: targets.shareRoundTrip, connect: targets.shareConnections, stream: targets.shareStream },
  bridge: { echo: targets.fasterRoundTrip, connect: targets.fasterConnections, stream: targets.fasterStream },
};

function against(peer: "host" | "bridge", mode: Mode, results: Results): Figure {
  return {
    bench: "share",
    what: words[mode],
    unit: units[mode],
    fairway: results.share[mode],
    peer: results[peer][mode],
    peerIs: peer === "host" ? "--network host" : "built-in, published port",
    target: goals[peer][mode],
  };
}
