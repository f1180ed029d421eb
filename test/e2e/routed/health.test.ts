/** Mode routed: an address is announced while its container is healthy, and no longer when it is asked to stop. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LabHost } from "../../lab/host.ts";
import { waitFor } from "../../lab/wait.ts";
import { bridgeRig } from "../bridge/rig.ts";

const HEALTHY = ["-o", "mode=routed", "-o", "announce=healthy", "--subnet", "10.20.0.0/24"];
const ANNOUNCED = 9900;
const LOCAL = 9910;
const DEADLINE_MS = 20_000;

interface RouteSight {
  readonly dst: string;
  readonly metric: number;
  readonly dev?: string;
}

async function metricsOf(host: LabHost, address: string): Promise<number[]> {
  const routes = JSON.parse((await host.exec(["ip", "-j", "route", "show", "proto", "143"])) || "[]") as RouteSight[];
  return routes.filter(({ dst }) => dst === address).map(({ metric }) => metric);
}

function until(host: LabHost, address: string, metrics: readonly number[]): Promise<unknown> {
  const isSo = async () => JSON.stringify(await metricsOf(host, address)) === JSON.stringify(metrics);
  return waitFor(isSo, DEADLINE_MS, `the routes of ${address} to have the metrics ${metrics.join(", ")}`);
}

describe(`announce=healthy with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("follows the health check of the engine, over a restart of the daemon", async () => {
    const { host } = rig;
    await rig.network("app", ...HEALTHY);
    const check = ["--health-cmd", "test -e /tmp/fit", "--health-interval", "500ms", "--health-retries", "1"];
    const { ipv4 } = await rig.run("aa", "app", { args: check });
    assert.deepEqual(await metricsOf(host, ipv4), [LOCAL]);
    await host.docker("exec", "aa", "touch", "/tmp/fit");
    await until(host, ipv4, [ANNOUNCED]);
    await host.killDriver("SIGKILL");
    await host.startDriver({});
    assert.deepEqual(await metricsOf(host, ipv4), [ANNOUNCED]);
    await host.docker("exec", "aa", "rm", "/tmp/fit");
    await until(host, ipv4, [LOCAL]);
  });

  test("without a check a container is announced as soon as it runs, and withdrawn before it stops", async () => {
    const { host } = rig;
    await rig.network("app", ...HEALTHY);
    // Takes the signal and goes on, as a server that finishes what it has begun.
    const patient = ["sh", "-c", "trap : TERM; while :; do sleep 1; done"];
    const { ipv4 } = await rig.run("bb", "app", { command: patient, ready: undefined });
    await until(host, ipv4, [ANNOUNCED]);
    const stopped = host.docker("stop", "-t", "12", "bb");
    await until(host, ipv4, [LOCAL]);
    // What is sent to it besides makes it look anew, and is no reason to send it traffic again.
    await host.docker("kill", "-s", "WINCH", "bb");
    await rig.network("side");
    await host.docker("network", "connect", "side", "bb");
    assert.deepEqual(await metricsOf(host, ipv4), [LOCAL]);
    assert.equal(await host.docker("inspect", "-f", "{{.State.Running}}", "bb"), "true");
    await stopped;
    assert.deepEqual(await metricsOf(host, ipv4), []);
  });

  test("a container that runs already is announced when it is connected", async () => {
    const { host } = rig;
    await rig.network("app", ...HEALTHY);
    await rig.network("town");
    await rig.run("cc", "town");
    await host.docker("network", "connect", "app", "cc");
    const { networks } = await rig.box("cc");
    await until(host, networks["app"]?.ipv4 ?? "", [ANNOUNCED]);
  });
});
