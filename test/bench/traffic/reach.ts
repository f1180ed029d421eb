import type { Figure, Unit } from "../figure.ts";
import type { Mode } from "../load/modes.ts";
import { interleave } from "../rounds.ts";
import { fewer, idle, networkOf, type Side, type Stage, withContainers, withNetworks } from "../stage.ts";
import type { Summary } from "../stats.ts";
import { targets } from "../targets.ts";
import { serverPort, slice, startServer } from "./load.ts";

export const what = "traffic to one published port, from the LAN and from the host itself";

const ports: Readonly<Record<Side, number>> = { fairway: 20_000, builtIn: 20_001 };
const units: Readonly<Record<Mode, Unit>> = { echo: "µs", connect: "1/s", stream: "Gbit/s" };

type Results = Readonly<Record<Side, Readonly<Record<Mode, Summary>>>>;

export async function measure(stage: Stage): Promise<Figure[]> {
  const containers = (["fairway", "builtIn"] as const).map((side) =>
    idle(serverOf(side), networkOf(side).name, [{ hostPort: ports[side], containerPort: serverPort }]),
  );
  return await withNetworks(stage, [networkOf("fairway"), networkOf("builtIn")], () =>
    withContainers(stage, containers, async () => {
      await startServer(stage, serverOf("fairway"));
      await startServer(stage, serverOf("builtIn"));
      const lan = await compare(stage, stage.client, stage.address);
      const loopback = await compare(stage, stage.host, "127.0.0.1");
      return [...fromLan(lan), ...fromHost(loopback)];
    }),
  );
}

async function compare(stage: Stage, place: Stage["client"] | Stage["host"], address: string): Promise<Results> {
  const turn = (side: Side) => async () => ({
    echo: await slice(place, "echo", address, ports[side]),
    connect: await slice(place, "connect", address, ports[side]),
    stream: await slice(place, "stream", address, ports[side]),
  });
  return await interleave(fewer(stage, 2), { fairway: turn("fairway"), builtIn: turn("builtIn") });
}

function fromLan(results: Results): Figure[] {
  return [
    { ...figure("echo", results), what: "LAN: round trip of one byte", target: targets.roundTrip },
    { ...figure("connect", results), what: "LAN: new connections" },
    { ...figure("stream", results), what: "LAN: one TCP stream" },
  ];
}

function fromHost(results: Results): Figure[] {
  const proxy = { peerIs: "docker-proxy" };
  return [
    { ...figure("echo", results), ...proxy, what: "127.0.0.1: round trip of one byte", target: targets.roundTripProxy },
    { ...figure("connect", results), ...proxy, what: "127.0.0.1: new connections", target: targets.loopback },
    { ...figure("stream", results), ...proxy, what: "127.0.0.1: one TCP stream" },
  ];
}

function figure(mode: Mode, { fairway, builtIn }: Results): Omit<Figure, "what"> {
  return { bench: "reach", unit: units[mode], fairway: fairway[mode], peer: builtIn[mode] };
}

function serverOf(side: Side): string {
  return `server-${side.toLowerCase()}`;
}
