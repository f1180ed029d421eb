/** Mode routed in a data centre: containers, a virtual machine and bare metal as equals, by the operator's routing daemons. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Fabric } from "../../lab/fabric.ts";
import { matrix, type Resident, renderMatrix, surprises } from "../../lab/matrix.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { startProbe } from "../../lab/prober.ts";
import { watchRoutes } from "../../lab/route-watch.ts";
import {
  boxOf,
  createNetwork,
  destinations,
  type FlatBox,
  fairway,
  openRoutedFabric,
  runBox,
} from "../../lab/routed-fabric.ts";
import { trace } from "../../lab/trace.ts";
import { waitFor } from "../../lab/wait.ts";

const DEADLINE_MS = 20_000;
const subnetsOf = (host: number) => ({ ipv4: `10.60.${host}.0/26`, ipv6: `2001:db8:60:${host}::/64` });

for (const kinds of [
  { tor: "bird", daemon: "bird" },
  { tor: "frr", daemon: "frr" },
] as const) {
  describe(`mode routed, hosts with ${kinds.daemon}, router with ${kinds.tor}`, () => {
    let fabric: Fabric;
    let one: FlatBox;
    let two: FlatBox;

    before(async () => {
      fabric = await openRoutedFabric(kinds);
      await Promise.all(
        fabric.hosts.map((host, index) => {
          const { ipv4, ipv6 } = subnetsOf(index + 1);
          return createNetwork(host, "app", "--subnet", ipv4, "--ipv6", "--subnet", ipv6);
        }),
      );
      [one, two] = await Promise.all([runBox(fabric.host(0), "one", "app"), runBox(fabric.host(1), "two", "app")]);
      await waitFor(
        async () => (await destinations(fabric.host(0))).includes(subnetsOf(2).ipv4),
        DEADLINE_MS,
        "the other host's block",
      );
    });

    after(async () => {
      try {
        for (const host of fabric.hosts) {
          await host.lab.docker("rm", "-f", (await host.lab.docker("ps", "-aq")) || "none").catch(() => undefined);
        }
      } finally {
        await fabric[Symbol.asyncDispose]();
      }
    });

    test("everybody reaches everybody, with true sources, by the way that was meant", async () => {
      const { bareMetal, vm, tor } = fabric;
      const residents: Resident[] = [
        { name: "one", place: one, addresses: [one.ipv4, one.ipv6] },
        { name: "two", place: two, addresses: [two.ipv4, two.ipv6] },
        { name: "metal", place: bareMetal, addresses: [bareMetal.ipv4, bareMetal.ipv6] },
        { name: "vm", place: vm, addresses: [vm.ipv4, vm.ipv6] },
      ];
      const sights = await matrix(residents);
      assert.deepEqual(surprises(sights, residents), [], renderMatrix(sights));
      const host = fabric.host(0);
      assert.deepEqual((await trace(vm, one.ipv4)).hops, [tor.ipv4, host.ipv4, one.ipv4]);
      assert.deepEqual((await trace(vm, one.ipv6)).hops, [tor.ipv6, host.ipv6, one.ipv6]);
      assert.deepEqual((await trace(one, vm.ipv4)).hops, [host.ipv4, host.peering.remote.ipv4, vm.ipv4]);
      assert.deepEqual((await trace(one, vm.ipv6)).hops, [host.ipv6, host.peering.remote.ipv6, vm.ipv6]);
    });

    test("the router knows blocks, and fairway says what is announced", async () => {
      const known = await destinations(fabric.tor);
      for (const subnet of [1, 2].flatMap((number) => Object.values(subnetsOf(number)))) {
        assert.ok(known.includes(subnet), `${subnet} is missing in ${known.join(", ")}`);
      }
      assert.ok(!known.includes(one.ipv4), "single addresses stay on the host");
      const status = JSON.parse(await fairway(fabric.host(0), "bgp", "status", "--json")) as {
        readonly sessions: readonly { readonly state: string; readonly ours: number }[];
      };
      assert.deepEqual(
        status.sessions.map(({ state, ours }) => [state, ours]),
        [
          ["established", 1],
          ["established", 1],
        ],
      );
    });

    test("single addresses come with their container and go with it", async () => {
      const host = fabric.host(0);
      await createNetwork(host, "solo", "--subnet", "10.60.9.0/26", "-o", "announce=address");
      await using watch = await watchRoutes(fabric.tor.space);
      const { ipv4 } = await runBox(host, "three", "solo");
      await watch.see(ipv4, "added");
      const sinceMs = Date.now();
      await host.lab.docker("rm", "-f", "three");
      await watch.see(ipv4, "deleted", sinceMs);
      assert.ok(!(await destinations(fabric.tor)).includes("10.60.9.0/26"));
      await host.lab.docker("network", "rm", "solo");
    });

    test("the daemon of fairway can be killed and started again: no packet is lost", async () => {
      const host = fabric.host(0);
      await using watch = await watchRoutes(fabric.tor.space);
      const probe = await startProbe(fabric.bareMetal.space, one.ipv4);
      await probe.hasAnswered(50);
      await host.lab.killDriver("SIGKILL");
      await probe.hasAnswered(50);
      await host.lab.startDriver({ args: ["--config", "/run/fairway-config.json"] });
      await probe.hasAnswered(50);
      const { lost } = await probe.stop();
      assert.equal(lost, 0);
      assert.deepEqual(
        watch.events().filter(({ action }) => action === "deleted"),
        [],
      );
    });

    test("a drained host is withdrawn, and comes back", async () => {
      const host = fabric.host(1);
      const { ipv4 } = subnetsOf(2);
      await fairway(host, "bgp", "drain");
      await waitFor(
        async () => !(await destinations(fabric.tor)).includes(ipv4),
        DEADLINE_MS,
        "the host to be drained",
      );
      await fairway(host, "bgp", "undrain");
      await waitFor(async () => (await destinations(fabric.tor)).includes(ipv4), DEADLINE_MS, "the host to be back");
    });

    test("a host that is cut off is withdrawn, and nothing is left when the networks go", async () => {
      const host = fabric.host(1);
      const { ipv4 } = subnetsOf(2);
      await fabric.settled();
      await using watch = await watchRoutes(fabric.tor.space);
      await host.cable.cut();
      await watch.see(ipv4, "deleted");
      await host.cable.mend();
      await watch.see(ipv4, "added");
      assert.equal((await boxOf(host, "two")).ipv4, two.ipv4);
      await host.lab.docker("rm", "-f", "two");
      await host.lab.docker("network", "rm", "app");
      await waitFor(
        async () => !(await destinations(fabric.tor)).includes(ipv4),
        DEADLINE_MS,
        "the block to be withdrawn",
      );
      await assertNoLeaks(host.lab);
    });
  });
}
