/** Our IPAM driver under networks of mode bridge: it hands out subnets as the engine's own does, and remembers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { assertVisits } from "../bridge/visits.ts";

const IMAGE = "fairway-test:1";

describe(`IPAM driver with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  const ipam = (...subnets: string[]) => ["--ipam-driver", "fairway", ...subnets.flatMap((one) => ["--subnet", one])];

  test("subnets, gateways, chosen addresses, ranges and reserved addresses, both families", async () => {
    const { host, client } = rig;
    await rig.network("town", ...ipam("10.90.0.0/24", "fd90::/64"), "--ipv6", "--gateway", "10.90.0.254");
    await rig.network(
      ...["ranged", ...ipam("10.91.0.0/24"), "--ip-range", "10.91.0.8/30"],
      ...["--gateway", "10.91.0.1", "--aux-address", "router=10.91.0.8"],
    );
    const web = await rig.run("web", "town", { args: ["-p", "8080:80"] });
    const fixed = await rig.run("fixed", "town", { args: ["--ip", "10.90.0.77", "--ip6", "fd90::77"] });
    assert.deepEqual([fixed.ipv4, fixed.ipv6], ["10.90.0.77", "fd90::77"]);
    assert.equal(web.networks["town"]?.gateway, "10.90.0.254");
    assert.match(web.ipv4, /^10\.90\.0\./);
    assert.match(web.ipv6, /^fd90::/);
    await assertVisits([
      { from: client, to: rig.ipv4, port: 8080, meets: web.host },
      { from: client, to: rig.ipv6, port: 8080, meets: web.host },
      { from: fixed, to: web.ipv4, meets: web.host },
      { from: fixed, to: web.ipv6, meets: web.host },
    ]);
    const refusal = await host.dockerFails("run", "-d", "--network", "town", "--ip", "10.90.0.77", IMAGE);
    assert.match(refusal, /address 10\.90\.0\.77 of 10\.90\.0\.0\/24 is in use.*FW3011/s);
    const boxes = [];
    for (const name of ["r1", "r2", "r3"]) {
      boxes.push((await rig.run(name, "ranged")).ipv4);
    }
    assert.equal(new Set(boxes).size, 3);
    assert.ok(
      boxes.every((address) => /^10\.91\.0\.(9|10|11)$/.test(address)),
      boxes.join(),
    );
    assert.match(await host.dockerFails("run", "-d", "--network", "ranged", IMAGE), /FW3011/);
    await host.docker("rm", "-f", "r2");
    assert.equal((await rig.run("r4", "ranged")).ipv4, boxes[1]);
    await assertNoLeaks(host);
  });

  test("what cannot be handed out is refused with its reason", async () => {
    const { host } = rig;
    await rig.network("town", ...ipam("10.90.0.0/16"));
    const refusal = (...args: string[]) => host.dockerFails("network", "create", "-d", "fairway", ...args, "other");
    assert.match(await refusal(...ipam("10.90.4.0/24")), /10\.90\.4\.0\/24 overlaps with 10\.90\.0\.0\/16/);
    assert.match(await refusal(...ipam("10.222.0.0/24")), /10\.222\.0\.0\/24/);
    assert.match(await refusal(...ipam("10.95.0.0/24"), "--gateway", "10.96.0.1"), /10\.96\.0\.1/);
    assert.match(await refusal(...ipam()), /--subnet/);
    assert.deepEqual((await snapshotOurs(host)).pools.length, 1);
  });

  test("driver and engine restart: nobody gets an address twice, and what was released is free", async () => {
    const { host } = rig;
    await rig.network("town", ...ipam("10.90.0.0/29"));
    const args = ["--restart=always"];
    const a = await rig.run("aa", "town", { args });
    const b = await rig.run("bb", "town", { args });
    await host.killDriver("SIGKILL");
    await host.startDriver();
    const c = await rig.run("cc", "town", { args });
    await host.killEngine("SIGKILL");
    await host.docker("version").catch(() => undefined);
    await host.startEngine();
    const again = await Promise.all(["aa", "bb", "cc"].map((name) => runningBox(name)));
    assert.equal(new Set(again.map(({ ipv4 }) => ipv4)).size, 3);
    assert.equal(new Set([a, b, c].map(({ ipv4 }) => ipv4)).size, 3);
    await host.docker("rm", "-f", "bb");
    await rig.run("dd", "town");
    await rig.run("ee", "town");
    await rig.run("ff", "town");
    assert.match(await host.dockerFails("run", "-d", "--network", "town", IMAGE), /FW3011/);
    await assertNoLeaks(host);
  });

  /** Once the engine has started it again. */
  function runningBox(name: string): Promise<Box> {
    return waitFor(
      async () => {
        const box = await rig.box(name);
        return box.pid !== 0 && box.ipv4 !== "" ? box : undefined;
      },
      30_000,
      `${name} to run`,
    );
  }
});
