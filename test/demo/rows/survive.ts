import { statSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { inUrl } from "../../lab/probe.ts";
import { waitFor } from "../../lab/wait.ts";
import { ask } from "../ask.ts";
import type { Finding, Row } from "../row.ts";
import { PUBLISHED_PORT, type Scene } from "../scene.ts";
import type { Running, Stage } from "../stage.ts";

const PINGS = 150;
const PING_INTERVAL_SECONDS = 0.02;
const MEGABYTE = 1_048_576;
/** Three seconds' worth: longer than a restart. */
const DOWNLOAD_MEGABYTES = 24;
const MEGABYTES_PER_SECOND = 8;
const TRAFFIC_DEADLINE_MS = 60_000;
const READY_DEADLINE_MS = 20_000;

export const driverKilled: Row = {
  title: `kill -9 of the driver during a download and ${PINGS} pings; start it again`,
  expected: "no packet lost, new connections work meanwhile, all is known afterwards",
  async run(scene) {
    const { stage } = scene;
    const before = await knownToDriver(stage);
    const traffic = await startTraffic(scene);
    await stage.killDriver();
    const killedMs = performance.now();
    const meanwhile = await Promise.all(
      addressesOf(stage).map((address) => ask(stage.neighbour, address, PUBLISHED_PORT)),
    );
    await stage.startDriver();
    const downMs = performance.now() - killedMs;
    const after = await knownToDriver(stage);
    const remembers = isDeepStrictEqual(before, after);
    const differences = await stage.differences();
    return conclude(await traffic.end(), {
      connects: meanwhile.every((reply) => reply.answered),
      remembers: remembers && differences.length === 0,
      evidence: [
        `driver away for ${Math.round(downMs)} ms; new requests: ${meanwhile.map((r) => r.text).join(", ")}`,
        ...differences,
      ],
    });
  },
};

interface Traffic {
  end(): Promise<{ readonly received: number; readonly bytes: number }>;
}

/** Returns when the download is under way. */
async function startTraffic({ stage, containers: { web, customer } }: Scene): Promise<Traffic> {
  await web.exec(["dd", "if=/dev/zero", "of=/www/big", "bs=1M", `count=${DOWNLOAD_MEGABYTES}`]);
  const file = path.join(stage.directory, "download");
  const url = `http://${inUrl(stage.host.ipv6)}:${PUBLISHED_PORT}/big`;
  const rate = `${MEGABYTES_PER_SECOND}M`;
  const curl = ["curl", "-sS", "-g", "--noproxy", "*", "--limit-rate", rate, "-o", file, url];
  const pinging = ["ping", "-i", String(PING_INTERVAL_SECONDS), "-c", String(PINGS), stage.neighbour.ipv4];
  const ping = await customer.spawn(pinging);
  const download = await stage.neighbour.spawn(curl);
  await waitFor(() => statSync(file).size > 0, TRAFFIC_DEADLINE_MS, "the download to begin");
  return { end: () => endTraffic(ping, download, file) };
}

async function endTraffic(ping: Running, download: Running, file: string) {
  const [report] = await Promise.all([ping.finished(TRAFFIC_DEADLINE_MS), download.finished(TRAFFIC_DEADLINE_MS)]);
  const received = Number(/(\d+) packets received/.exec(report)?.[1] ?? 0);
  return { received, bytes: statSync(file).size };
}

interface Observed {
  readonly connects: boolean;
  readonly remembers: boolean;
  readonly evidence: readonly string[];
}

function conclude(traffic: Awaited<ReturnType<Traffic["end"]>>, seen: Observed): Finding {
  const { received, bytes } = traffic;
  const complete = bytes === DOWNLOAD_MEGABYTES * MEGABYTE;
  return {
    ok: received === PINGS && complete && seen.connects && seen.remembers,
    got: [
      `${received} of ${PINGS} pings`,
      `${Math.floor(bytes / MEGABYTE)} of ${DOWNLOAD_MEGABYTES} MB`,
      seen.connects ? "new connections work" : "new connections fail",
      seen.remembers ? "all known" : "not all known",
    ].join(", "),
    evidence: seen.evidence,
  };
}

function addressesOf({ host }: Stage): string[] {
  return [host.ipv4, host.ipv6];
}

interface Status {
  readonly ready: boolean;
  readonly networks: readonly (Record<string, unknown> & { readonly endpoints: readonly Record<string, unknown>[] })[];
}

/** Without names: the driver asks the engine for them in its own time. */
async function knownToDriver(stage: Stage): Promise<unknown> {
  const { networks } = await waitFor(
    async () => {
      const status = JSON.parse(await stage.fairway(["status", "--json"])) as Status;
      return status.ready ? status : undefined;
    },
    READY_DEADLINE_MS,
    "the driver to be ready",
  );
  return networks.map(({ name: _, endpoints, ...network }) => ({
    ...network,
    endpoints: endpoints.map(({ container: _container, ...endpoint }) => endpoint),
  }));
}
