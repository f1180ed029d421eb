import assert from "node:assert/strict";
import type { DaemonKind } from "../../../src/bgp/settings.ts";
import { routeMetrics, routeProtocol } from "../../../src/plan/names.ts";
import { waitFor } from "../../lab/wait.ts";
import type { World } from "./rig.ts";

export const deadlineMs = 30_000;
/** A container and a block in each family. */
export const ours = ["10.244.0.1/32", "fd00:244::1/128"];
export const block = ["10.244.8.0/26", "fd00:244:8::/122"];

export function route(prefix: string, more: string): string {
  return `route add ${prefix} dev fw0 ${more}`;
}

export const mark = `proto ${routeProtocol} metric ${routeMetrics.announced}`;

/** BIRD tells protocol numbers apart; FRR sees the metric alone, so nothing else may use it there. */
export function foreignRoutes(kind: DaemonKind): readonly string[] {
  return [
    ...["10.244.0.2/32", "fd00:244::2/128"].map((prefix) =>
      route(prefix, `proto ${routeProtocol} metric ${routeMetrics.local}`),
    ),
    ...["10.244.0.3/32", "fd00:244::3/128"].map((prefix) => route(prefix, "proto static")),
    ...["10.244.0.4/32", "fd00:244::4/128"].map((prefix) => route(prefix, "proto 99 metric 9899")),
    ...["10.244.0.6/32", "fd00:244::6/128"].map((prefix) => route(prefix, `proto ${routeProtocol} metric 20`)),
    ...(kind === "bird" ? ["10.244.0.5/32", "fd00:244::5/128"] : []).map((prefix) =>
      route(prefix, `proto 99 metric ${routeMetrics.announced}`),
    ),
  ];
}

/** What the ToR has from the host, sorted. */
export async function atTor({ tor }: World): Promise<readonly string[]> {
  const found = [...(await tor.prefixes("protocol", "host4")), ...(await tor.prefixes("protocol", "host6"))];
  return found.sort();
}

export async function untilAtTor(world: World, wanted: readonly string[]): Promise<void> {
  await waitFor(
    async () => {
      assert.deepEqual(await atTor(world), [...wanted].sort());
      return true;
    },
    deadlineMs,
    "the ToR to have exactly the routes wanted",
  );
}

export async function untilEstablished({ port }: World): Promise<void> {
  await waitFor(
    async () => (await port.sessions()).every(({ state }) => state === "established"),
    deadlineMs,
    "every session to be established",
  );
}
