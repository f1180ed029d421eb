/** The driver ends in every way a process can end, while containers run and start. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LabHost } from "../../lab/host.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { assertNoLeaks, findLeaks } from "../../lab/oracle.ts";
import { whoEventually } from "../../lab/probe.ts";
import { post } from "../../lab/sockets.ts";
import { removeNetwork, Town } from "../town.ts";
import { startTraffic } from "./traffic.ts";

describe(`driver restarts with engine ${engineUnderTest()}`, () => {
  let town: Town;
  let host: LabHost;

  before(async () => {
    town = await Town.open();
    host = town.host;
  });

  after(() => town[Symbol.asyncDispose]());

  test("kill -9 under traffic: nothing is lost, and all is known afterwards", async () => {
    await host.docker("network", "create", "-d", "fairway", "--ipv6", "--subnet", "fd91::/64", "steady");
    await host.docker("run", "-d", "--name", "web", "--network", "steady", "-p", "8080:80", TEST_IMAGE);
    await whoEventually(town.client, town.uplink, 8080);
    const traffic = await startTraffic(town.client, town.uplink, 8080);
    for (const signal of ["SIGKILL", "SIGKILL", "SIGTERM"] as const) {
      await host.killDriver(signal);
      await traffic.hasAnswered(20);
      await host.startDriver();
      await traffic.hasAnswered(20);
    }
    assert.deepEqual(await traffic.stop(), { failed: 0 });
    const [ipv4] = (await host.docker("inspect", "-f", "{{.NetworkSettings.Networks.steady.IPAddress}}", "web")).split(
      " ",
    );
    const refusal = await host.dockerFails(
      "run",
      "-d",
      "--name",
      "thief",
      "--network",
      "steady",
      "-p",
      "8080:80",
      TEST_IMAGE,
    );
    assert.match(refusal, /cannot publish 0\.0\.0\.0:8080\/tcp: it is in use by container "web" on network steady/);
    assert.match(refusal, /FW3004/);
    await host.docker("rm", "-f", "thief", "web");
    await host.docker("run", "-d", "--name", "next", "--network", "steady", "-p", "8080:80", TEST_IMAGE);
    assert.equal(await host.docker("inspect", "-f", "{{.NetworkSettings.Networks.steady.IPAddress}}", "next"), ipv4);
    await whoEventually(town.client, town.uplink, 8080);
    await host.docker("rm", "-f", "next");
    await host.docker("network", "rm", "steady");
    await assertNoLeaks(host, { foreign: town.foreign });
  });

  test("kill -9 while 20 containers start: no leak, no wrong answer, and a second try succeeds", async () => {
    await host.docker("network", "create", "-d", "fairway", "storm");
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const start = (number: number) =>
      host.tryDocker([
        "run",
        "-d",
        "--name",
        `c${number}`,
        "--network",
        "storm",
        "-p",
        `${9000 + number}:80`,
        TEST_IMAGE,
      ]);
    const storm = Promise.all(numbers.map(start));
    // Somewhere in the middle: as soon as a few of the calls have been answered.
    await host.exec(["sh", "-c", "until [ $(ip -br link | grep -c ^fwv) -ge 4 ]; do :; done"], { timeoutMs: 30_000 });
    await host.killDriver("SIGKILL");
    await host.startDriver();
    const results = await storm;
    for (const [number, result] of results.entries()) {
      if (result.code !== 0) {
        assert.match(result.stderr, /FW\d{4}|Err|error/);
        await host.docker("rm", "-f", `c${number}`);
        const again = await start(number);
        assert.equal(again.code, 0, again.stderr);
      }
    }
    for (const number of numbers) {
      const answer = await whoEventually(town.client, town.uplink, 9000 + number);
      assert.equal(answer.host, (await host.docker("inspect", "-f", "{{.Config.Hostname}}", `c${number}`)).trim());
    }
    await assertNoLeaks(host);
    await host.docker("rm", "-f", ...numbers.map((number) => `c${number}`));
    await removeNetwork(host, "storm");
    await assertNoLeaks(host, { foreign: town.foreign });
  });

  test("kill -9 before a create was answered: what the engine gave up goes by itself", async () => {
    await host.docker("network", "create", "-d", "fairway", "--subnet", "10.93.0.0/24", "lost");
    await host.docker("run", "-d", "--name", "there", "--network", "lost", TEST_IMAGE);
    // An engine repeats what the end of the driver interrupted without its body, is refused, and forgets the endpoint.
    const { status } = await post(host.driverSocket, "/NetworkDriver.CreateEndpoint", {
      NetworkID: (await host.docker("network", "inspect", "-f", "{{.Id}}", "lost")).trim(),
      EndpointID: "ab".repeat(32),
      Interface: { Address: "10.93.0.200/24", AddressIPv6: "", MacAddress: "" },
      Options: {},
    });
    assert.equal(status, 200);
    await host.killDriver("SIGKILL");
    await host.startDriver();
    assert.deepEqual(await findLeaks(host), [`stored endpoint ${"ab".repeat(32)} is unknown to the engine`]);
    await assertNoLeaks(host);
    await host.docker("rm", "-f", "there");
    await removeNetwork(host, "lost");
    await assertNoLeaks(host, { foreign: town.foreign });
  });

  test("SIGTERM ends the driver within 5 s and leaves a file or process of nobody", async () => {
    const begin = performance.now();
    await host.killDriver("SIGTERM");
    assert.ok(performance.now() - begin < 5000);
    assert.equal((await host.exec(["sh", "-c", "ls /run/docker/plugins /run/fairway"])).includes(".sock"), false);
    await host.startDriver();
  });

  test("a second instance refuses to start and changes nothing", async () => {
    const result = await host.tryExec([`${process.cwd()}/bin/fairway`, "daemon", "--state-dir", host.disks.driver]);
    assert.equal(result.code, 6);
    assert.match(result.stderr, /another fairway daemon is running on this host\n.*\n.*FW2003/);
    const elsewhere = await host.tryExec([`${process.cwd()}/bin/fairway`, "daemon", "--state-dir", "/run/other-state"]);
    assert.equal(elsewhere.code, 6);
    await host.docker("network", "create", "-d", "fairway", "still");
    await host.docker("network", "rm", "still");
    await assertNoLeaks(host, { foreign: town.foreign });
  });
});
