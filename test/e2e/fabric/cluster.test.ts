/** Several hosts share a subnet by etcd, in blocks that their routing daemons announce. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type EtcdMembers, startEtcd } from "../../lab/etcd-members.ts";
import type { Fabric } from "../../lab/fabric.ts";
import type { FabricHost } from "../../lab/fabric-host.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { matrix, type Resident, renderMatrix, surprises } from "../../lab/matrix.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { startProbe } from "../../lab/prober.ts";
import {
  createNetwork,
  destinations,
  type FlatBox,
  fairway,
  openRoutedFabric,
  runBox,
} from "../../lab/routed-fabric.ts";
import { waitFor } from "../../lab/wait.ts";

const SHARED = ["--ipam-driver", "fairway", "--subnet", "10.60.0.0/16", "--ipv6", "--subnet", "2001:db8:60::/64"];
const DEADLINE_MS = 20_000;

interface IpamReport {
  readonly pools: readonly {
    readonly subnet: string;
    readonly blocks: readonly { readonly block: string; readonly own: boolean; readonly owner: string }[];
  }[];
}

async function blocksOf(host: FabricHost): Promise<string[]> {
  const { pools } = JSON.parse(await fairway(host, "ipam", "show", "--json")) as IpamReport;
  return pools.flatMap(({ blocks }) => blocks.filter(({ own }) => own).map(({ block }) => block)).sort();
}

describe("mode routed with a subnet that three hosts share", () => {
  let fabric: Fabric;
  let etcd: EtcdMembers;
  const boxes: FlatBox[] = [];

  before(async () => {
    fabric = await openRoutedFabric({
      hosts: 3,
      prepare: async (opened) => {
        etcd = await startEtcd(opened);
        return { cluster: { etcd: { endpoints: etcd.endpoints } } };
      },
    });
    for (const host of fabric.hosts) {
      await createNetwork(host, "app", ...SHARED);
    }
    boxes.push(...(await Promise.all(fabric.hosts.map((host, index) => runBox(host, `box${index}`, "app")))));
  });

  after(() => fabric[Symbol.asyncDispose]());

  test("each host has blocks of its own, which everybody else learns, and single addresses nobody", async () => {
    const own = await Promise.all(fabric.hosts.map(blocksOf));
    assert.deepEqual(
      own.map((blocks) => blocks.length),
      [2, 2, 2],
    );
    assert.equal(new Set(own.flat()).size, 6);
    const isKnown = async () => {
      const known = await destinations(fabric.tor);
      return own.flat().every((block) => known.includes(block));
    };
    await waitFor(isKnown, DEADLINE_MS, "every block at the router");
    const known = await destinations(fabric.tor);
    assert.deepEqual(
      boxes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => known.includes(address)),
      [],
    );
  });

  test("everybody reaches everybody with true sources", async () => {
    const { bareMetal, vm } = fabric;
    const residents: Resident[] = [
      ...boxes.map((box) => ({ name: box.name, place: box, addresses: [box.ipv4, box.ipv6] })),
      { name: "metal", place: bareMetal, addresses: [bareMetal.ipv4, bareMetal.ipv6] },
      { name: "vm", place: vm, addresses: [vm.ipv4, vm.ipv6] },
    ];
    const sights = await matrix(residents);
    assert.deepEqual(surprises(sights, residents), [], renderMatrix(sights));
  });

  test("an address in another host's block is refused, and the refusal names the host", async () => {
    const [first] = fabric.hosts;
    const taken = boxes[1]?.ipv4 ?? "";
    assert.ok(first);
    const refusal = await first.lab.dockerFails("run", "--rm", "--network", "app", "--ip", taken, TEST_IMAGE, "true");
    assert.match(refusal, /FW3011/);
    assert.ok(refusal.includes(fabric.host(1).name), refusal);
  });

  test("nobody notices when the leader of etcd dies", async () => {
    const leader = await etcd.leader();
    const probe = await startProbe(fabric.bareMetal.space, boxes[0]?.ipv4 ?? "");
    await etcd.member(leader).kill();
    const started = await Promise.all(fabric.hosts.map((host) => runBox(host, "more", "app")));
    assert.equal(new Set(started.map(({ ipv4 }) => ipv4)).size, 3);
    assert.equal((await probe.stop()).lost, 0);
    await etcd.member(leader).start();
  });

  test("without etcd, starts within own blocks go on, and a daemon that starts serves them", async () => {
    const [host] = fabric.hosts;
    assert.ok(host);
    const blocks = await blocksOf(host);
    await etcd.killAll();
    await runBox(host, "offline", "app");
    await host.lab.killDriver("SIGKILL");
    await host.lab.startDriver({ args: ["--config", "/run/fairway-config.json"] });
    const { ipv4 } = await runBox(host, "again", "app");
    assert.ok(!boxes.some((box) => box.ipv4 === ipv4));
    const known = await destinations(fabric.tor);
    assert.ok(blocks.every((block) => known.includes(block)));
    await createNetwork(host, "late", "--ipam-driver", "fairway", "--subnet", "10.60.0.0/16").then(
      () => assert.fail("a network with a subnet that is in use was created"),
      (error: unknown) => assert.match(String(error), /FW3010/),
    );
    await etcd.startAll();
    assert.match(await fairway(host, "ipam", "check"), /^leases, containers and the cluster store agree\n$/);
  });

  test("a dead host's blocks are released by hand only, and another host announces them then", async () => {
    const [keeper] = fabric.hosts;
    const dead = fabric.host(2);
    assert.ok(keeper);
    const lost = await blocksOf(dead);
    await dead.remove();
    await assert.rejects(fairway(keeper, "ipam", "release", "--host", dead.name), /FW4004/);
    await fairway(keeper, "ipam", "release", "--host", dead.name, "--force");
    const [ipv4 = ""] = lost.filter((block) => !block.includes(":"));
    const first = ipv4.replace(/\.\d+\/\d+$/, (tail) => `.${Number(tail.slice(1).split("/")[0]) + 9}`);
    await runBox(keeper, "heir", "app", "--ip", first);
    assert.ok((await blocksOf(keeper)).includes(ipv4));
    await waitFor(async () => (await destinations(fabric.tor)).includes(ipv4), DEADLINE_MS, "the block at the router");
  });

  test("nothing is left when containers and networks are gone", async () => {
    for (const host of fabric.hosts.slice(0, 2)) {
      const ids = (await host.lab.docker("ps", "-aq")).split("\n");
      await host.lab.docker("rm", "-f", ...ids);
      await host.lab.docker("network", "rm", "app");
      await assertNoLeaks(host.lab);
    }
  });
});
