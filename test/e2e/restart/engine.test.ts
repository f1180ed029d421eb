/** The engine ends without saying goodbye, and the whole host does. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LabHost } from "../../lab/host.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { assertNoLeaks, snapshotOurs } from "../../lab/oracle.ts";
import { whoEventually } from "../../lab/probe.ts";
import { waitFor } from "../../lab/wait.ts";
import { Town } from "../town.ts";

describe(`engine ${engineUnderTest()} and host restarts`, () => {
  let town: Town;
  let host: LabHost;

  before(async () => {
    town = await Town.open();
    host = town.host;
  });

  after(() => town[Symbol.asyncDispose]());

  test("the engine is killed: what its containers leave is cleaned up though no delete ever arrives", async () => {
    await host.docker("network", "create", "-d", "fairway", "--subnet", "10.92.0.0/24", "lost");
    for (const number of [1, 2, 3]) {
      await host.docker(
        "run",
        "-d",
        "--name",
        `l${number}`,
        "--network",
        "lost",
        "-p",
        `${8000 + number}:80`,
        TEST_IMAGE,
      );
    }
    await whoEventually(town.client, town.uplink, 8001);
    await host.killEngine("SIGKILL");
    await host.startEngine();
    await waitFor(async () => (await snapshotOurs(host)).endpoints.length === 0, 15_000, "endpoints of the dead to go");
    await assertNoLeaks(host);
    // The same addresses and ports are free for others at once.
    await host.docker("rm", "-f", "l1", "l2", "l3");
    await host.docker(
      "run",
      "-d",
      "--name",
      "heir",
      "--network",
      "lost",
      "--ip",
      "10.92.0.2",
      "-p",
      "8003:80",
      TEST_IMAGE,
    );
    await whoEventually(town.client, town.uplink, 8003);
    await host.docker("rm", "-f", "heir");
    await host.docker("network", "rm", "lost");
    await assertNoLeaks(host, { foreign: town.foreign });
  });

  test("the engine is stopped and started: containers that restart are reachable again", async () => {
    await host.docker("network", "create", "-d", "fairway", "back");
    await host.docker(
      "run",
      "-d",
      "--restart=always",
      "--name",
      "web",
      "--network",
      "back",
      "-p",
      "8080:80",
      TEST_IMAGE,
    );
    await whoEventually(town.client, town.uplink, 8080);
    await host.killEngine("SIGTERM");
    await host.startEngine();
    await whoEventually(town.client, town.uplink, 8080, 30_000);
    await assertNoLeaks(host);
    await host.docker("rm", "-f", "web");
    await host.docker("network", "rm", "back");
    await assertNoLeaks(host, { foreign: town.foreign });
  });

  test("the host is rebooted: networks come back with their addresses, and restart=always containers with their ports", async () => {
    await host.docker(
      "network",
      "create",
      "-d",
      "fairway",
      "--ipv6",
      "--subnet",
      "10.93.0.0/24",
      "--subnet",
      "fd93::/64",
      "home",
    );
    await host.docker("network", "create", "-d", "fairway", "--internal", "inner");
    for (const number of [1, 2, 3]) {
      await host.docker(
        "run",
        "-d",
        "--restart=always",
        "--name",
        `r${number}`,
        "--network",
        "home",
        "-p",
        `${8000 + number}:80`,
        TEST_IMAGE,
      );
    }
    await whoEventually(town.client, town.uplink, 8003);
    await host.reboot({ startEngine: false });
    await host.startDriver();
    const networks = (await snapshotOurs(host)).networks.length;
    await host.startEngine();
    assert.equal(networks, 2);
    for (const number of [1, 2, 3]) {
      await whoEventually(town.client, town.uplink, 8000 + number, 30_000);
      await whoEventually(town.client, host.uplink?.ipv6 ?? "", 8000 + number, 30_000);
    }
    await assertNoLeaks(host);
    await host.docker("rm", "-f", "r1", "r2", "r3");
    await host.docker("network", "rm", "home", "inner");
    await assertNoLeaks(host);
  });

  test("rules flushed by somebody else come back with the next change", async () => {
    await host.docker("network", "create", "-d", "fairway", "flushed");
    await host.docker("run", "-d", "--name", "before", "--network", "flushed", "-p", "8081:80", TEST_IMAGE);
    await host.exec(["nft", "delete", "table", "inet", "fairway"]);
    await host.docker("run", "-d", "--name", "behind", "--network", "flushed", "-p", "8082:80", TEST_IMAGE);
    await whoEventually(town.client, town.uplink, 8081);
    await whoEventually(town.client, town.uplink, 8082);
    await host.docker("rm", "-f", "before", "behind");
    await host.docker("network", "rm", "flushed");
    await assertNoLeaks(host);
  });

  test("a bridge deleted by somebody else comes back with its containers attached", async () => {
    await host.docker("network", "create", "-d", "fairway", "-o", "bridge_name=fwgone0", "gone");
    await host.docker("run", "-d", "--name", "there", "--network", "gone", "-p", "8083:80", TEST_IMAGE);
    await whoEventually(town.client, town.uplink, 8083);
    await host.exec(["ip", "link", "delete", "fwgone0"]);
    await whoEventually(town.client, town.uplink, 8083);
    await host.docker("rm", "-f", "there");
    await host.docker("network", "rm", "gone");
    await assertNoLeaks(host);
  });
});
