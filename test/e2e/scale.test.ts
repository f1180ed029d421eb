/** A hundred containers with ten ports each on one network; all answer, and nothing is left of them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../lab/engines.ts";
import type { LabHost } from "../lab/host.ts";
import { serveCommand, TEST_IMAGE } from "../lab/image.ts";
import { assertNoLeaks, snapshotOurs } from "../lab/oracle.ts";
import { whoEventually } from "../lab/probe.ts";
import { removeNetwork, Town } from "./town.ts";

const containers = 100;
const portsEach = 10;
const parallel = 4;

describe(`scale with engine ${engineUnderTest()}`, () => {
  let town: Town;
  let host: LabHost;

  before(async () => {
    town = await Town.open();
    host = town.host;
  });

  after(() => town[Symbol.asyncDispose]());

  const name = (number: number): string => `s${number}`;
  const firstPort = (number: number): number => 20_000 + number * portsEach;

  test(`${containers} containers with ${portsEach} ports each`, async () => {
    await host.docker("network", "create", "-d", "fairway", "many");
    await inParallel(containers, async (number) => {
      const range = `${firstPort(number)}-${firstPort(number) + portsEach - 1}`;
      const argv = [
        "run",
        "-d",
        "--name",
        name(number),
        "--network",
        "many",
        "-p",
        `${range}:8000-${8000 + portsEach - 1}`,
      ];
      await host.docker(...argv, TEST_IMAGE, ...serveCommand(`8000-${8000 + portsEach - 1}`));
    });
    assert.deepEqual((await snapshotOurs(host)).proxies, []);
    for (const number of [0, containers - 1]) {
      await whoEventually(town.client, town.uplink, firstPort(number));
    }
    const urls = Array.from(
      { length: containers * portsEach },
      (_, index) => `http://${town.uplink}:${20_000 + index}/cgi-bin/who`,
    );
    const answers = await town.client.exec(
      ["curl", "-sS", "--max-time", "20", "--retry", "3", "--retry-connrefused", ...urls],
      {
        timeoutMs: 120_000,
      },
    );
    const hosts = answers.match(/"host":"[0-9a-f]{12}"/g) ?? [];
    assert.equal(hosts.length, containers * portsEach);
    assert.equal(new Set(hosts).size, containers);
    await assertNoLeaks(host);
    await inParallel(containers / 10, async (batch) => {
      await host.docker("rm", "-f", ...Array.from({ length: 10 }, (_, index) => name(batch * 10 + index)));
    });
    await removeNetwork(host, "many");
    await assertNoLeaks(host, { foreign: town.foreign });
    const flows = await host.exec([
      "sh",
      "-c",
      "conntrack -L -s 172.18.0.0/16 2>/dev/null; conntrack -L -r 172.18.0.0/16 2>/dev/null; true",
    ]);
    assert.equal(flows.trim(), "");
  });
});

async function inParallel(count: number, task: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const workers = Array.from({ length: parallel }, async () => {
    while (next < count) {
      const number = next;
      next += 1;
      await task(number);
    }
  });
  await Promise.all(workers);
}
