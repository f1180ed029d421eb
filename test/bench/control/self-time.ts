import { type DriverCall, driverCalls } from "../driver-log.ts";
import type { Figure } from "../figure.ts";
import { interleave, timed } from "../rounds.ts";
import { guest, inner, networkOf, type Stage, standing, withContainers, withNetworks } from "../stage.ts";
import { summarize } from "../stats.ts";

export const what = "the driver's own time for each call of the engine, from its log";

/** Calls that the engine makes before `docker network connect` returns. */
const attachMethods = ["CreateEndpoint", "Join", "ProgramExternalConnectivity", "EndpointOperInfo"];
/** Engines ask this whenever they please. */
const uncounted: readonly string[] = ["Plugin.Activate", "Activate", "GetCapabilities"];

export async function measure(stage: Stage): Promise<Figure[]> {
  const { name } = networkOf("fairway");
  const attaches: number[] = [];
  const before = stage.host.driverLog().length;
  const { only } = await withNetworks(stage, [inner, standing], () =>
    withContainers(stage, [guest("guest", 20_000)], () =>
      interleave(stage.rounds, {
        only: async () => {
          await stage.api.createNetwork(networkOf("fairway"));
          const mark = stage.host.driverLog().length;
          const connect = await timed(() => stage.api.connect(name, "guest"));
          attaches.push(sumOf(driverCalls(stage.host.driverLog().slice(mark))));
          await stage.api.disconnect(name, "guest");
          await stage.api.removeNetwork(name);
          return { connect };
        },
      }),
    ),
  );
  const calls = driverCalls(stage.host.driverLog().slice(before)).filter(({ method }) => !uncounted.includes(method));
  const common = { bench: "self", unit: "ms" } as const;
  const methods = [...Map.groupBy(calls, ({ method }) => method)].map(([method, members]) => ({
    ...common,
    what: method,
    fairway: summarize(members.map(({ durationMs }) => durationMs)),
  }));
  const attach: Figure = {
    ...common,
    what: "all calls of one connect",
    fairway: summarize(attaches.slice(1)),
    peer: only.connect,
    peerIs: "the whole connect",
    note: `${attachMethods.join(", ")}; the ratio is the driver's share of the time that the user waits`,
  };
  return [...methods, attach];
}

function sumOf(calls: readonly DriverCall[]): number {
  return calls
    .filter(({ method }) => attachMethods.includes(method))
    .reduce((sum, { durationMs }) => sum + durationMs, 0);
}
