/** The fabric itself, with containers made by hand: do routes come and go, with the daemons that operators run? */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../lab/engines.ts";
import { environment } from "../lab/exec.ts";
import { type Fabric, openFabric } from "../lab/fabric.ts";
import { TEST_IMAGE } from "../lab/image.ts";
import { matrix, type Resident, renderMatrix, surprises } from "../lab/matrix.ts";
import { whoEventually } from "../lab/probe.ts";
import { startProbe } from "../lab/prober.ts";
import { processesIn } from "../lab/processes.ts";
import { listRecords, readRecord, sweep } from "../lab/record.ts";
import { routeDelay, watchRoutes } from "../lab/route-watch.ts";
import type { Place } from "../lab/space.ts";
import { trace } from "../lab/trace.ts";
import { waitFor } from "../lab/wait.ts";
import { type Pretended, pretendContainer } from "./pretend.ts";

const ADDRESSES = {
  one: ["10.60.1.5", "2001:db8:60:1::5"],
  two: ["10.60.2.5", "2001:db8:60:2::5"],
} as const;
/** Not the driver's: another metric, outside the pools. */
const FOREIGN = [
  "10.60.1.78/32 dev v-one proto 143 metric 99",
  "10.61.1.79/32 dev v-one proto 143 metric 9900",
  "2001:db8:60:1::78/128 dev v-one proto 143 metric 99",
  "2001:db8:61:1::79/128 dev v-one proto 143 metric 9900",
];
/** Another protocol, to which FRR is blind. */
const FOREIGN_TO_BIRD = [
  "10.60.1.77/32 dev v-one proto 144 metric 9900",
  "2001:db8:60:1::77/128 dev v-one proto 144 metric 9900",
];
const WITHDRAWN_DEADLINE_MS = 20_000;

for (const tor of ["bird", "frr"] as const) {
  describe(`hosts with bird, router with ${tor}`, () => {
    let fabric: Fabric;
    let one: Pretended;
    let two: Pretended;

    before(async () => {
      fabric = await openFabric({ engine: false, tor, bfd: "graceful" });
      [one, two] = await pretendBoth(fabric);
    });

    after(() => fabric[Symbol.asyncDispose]());

    test("everybody reaches everybody, with true sources, by the way that was meant", async () => {
      const residents: Resident[] = [
        resident("one", one, one.addresses),
        resident("two", two, two.addresses),
        resident("metal", fabric.bareMetal, addressesOf(fabric.bareMetal)),
        resident("vm", fabric.vm, addressesOf(fabric.vm)),
      ];
      const sights = await matrix(residents);
      assert.equal(sights.length, 4 * 3 * 2 * 3);
      assert.deepEqual(surprises(sights, residents), [], renderMatrix(sights));
      const host = fabric.host(0);
      const [ipv4, ipv6] = one.addresses;
      assert.deepEqual((await trace(fabric.vm, ipv4)).hops, [fabric.tor.ipv4, host.ipv4, ipv4]);
      assert.deepEqual((await trace(fabric.vm, ipv6, "udp")).hops, [fabric.tor.ipv6, host.ipv6, ipv6]);
    });

    test("only the driver's routes in the pools are announced, and they are withdrawn when they go", async () => {
      await assertOnlyOurs(fabric, one);
    });

    test("bird that is killed and started again costs no packet", async () => {
      const { routing } = fabric.host(0);
      await using watch = await watchRoutes(fabric.tor.space);
      const probes = await Promise.all([
        startProbe(fabric.bareMetal.space, one.addresses[0]),
        startProbe(fabric.bareMetal.space, one.addresses[1], { over: "icmp" }),
      ]);
      const [udp] = probes;
      await udp.hasAnswered(50);
      await routing.kill("SIGKILL");
      // Longer than BFD needs to notice.
      await udp.hasAnswered(150);
      await routing.restart();
      await fabric.settled();
      await udp.hasAnswered(100);
      const results = await Promise.all(probes.map((probe) => probe.stop()));
      assert.deepEqual(
        results.map(({ lost }) => lost),
        [0, 0],
      );
      assert.deepEqual(results[0]?.answeredBy, ["one"]);
      assert.deepEqual(
        watch.events().filter(({ action }) => action === "deleted"),
        [],
      );
    });

    test("a host that is cut off silently is given up, and comes back", async () => {
      await makeBfdHard(fabric);
      await assertCutIsNoticed(fabric, one, two);
    });
  });
}

describe("hosts with frr, router with frr", () => {
  let fabric: Fabric;
  let one: Pretended;
  let two: Pretended;

  before(async () => {
    fabric = await openFabric({ engine: false, tor: "frr", layout: "rack", routing: { kind: "frr" } });
    [one, two] = await pretendBoth(fabric);
  });

  after(() => fabric[Symbol.asyncDispose]());

  test("only the driver's routes in the pools are announced, and they are withdrawn when they go", async () => {
    await assertOnlyOurs(fabric, one);
  });

  test("hosts on one segment reach each other's containers without the router", async () => {
    const far = fabric.host(1);
    assert.deepEqual((await trace(one, two.addresses[0])).hops, ["169.254.1.1", far.ipv4, two.addresses[0]]);
  });

  test("a host that is cut off silently is given up, and comes back", async () => {
    await assertCutIsNoticed(fabric, one, two);
  });
});

test("a host with an engine is on the fabric again after a reboot", async () => {
  await using fabric = await openFabric({ hosts: 1, engine: engineUnderTest(), host: { images: ["test"] } });
  const host = fabric.host(0);
  await host.lab.docker("run", "-d", "--restart", "always", "-p", "8080:80", TEST_IMAGE);
  await host.lab.reboot();
  await host.startRouting();
  await fabric.settled();
  for (const address of [host.ipv4, host.ipv6]) {
    assert.equal((await whoEventually(fabric.vm, address, 8080)).host.length, 12);
  }
  assert.deepEqual((await trace(host, fabric.vm.ipv6)).hops, [host.peering.remote.ipv6, fabric.vm.ipv6]);
});

test("nothing is left of a fabric that cannot be opened", async () => {
  const before = listRecords().map(({ name }) => name);
  await assert.rejects(openFabric({ engine: false, routing: { config: "no such word;" } }), /syntax error/);
  const own = listRecords().filter(({ owner, name }) => owner?.pid === process.pid && !before.includes(name));
  assert.deepEqual(own, []);
});

test("a fabric whose owner is killed vanishes, and the next run sweeps its directories", async () => {
  const script = `
    import { openFabric } from ${JSON.stringify(path.join(import.meta.dirname, "../lab/fabric.ts"))};
    const { hosts, tor, bareMetal, vm } = await openFabric({ engine: false });
    console.log([...hosts, tor, bareMetal, vm].map(({ name }) => name).join(" "));
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment(),
  });
  const names = await new Promise<string[]>((resolve) => {
    owner.stdout.once("data", (data) => resolve(String(data).trim().split(" ")));
  });
  const namespaces = names.map((name) => readlinkSync(`/proc/${readRecord(name)?.init?.pid}/ns/pid`));
  assert.equal(namespaces.length, 5);
  owner.kill("SIGKILL");
  const isEmpty = () => namespaces.every((namespace) => processesIn(namespace).length === 0);
  await waitFor(isEmpty, 10_000, "every process of the fabric to end");
  const swept = await sweep();
  assert.deepEqual(
    names.filter((name) => !swept.includes(name)),
    [],
  );
});

async function pretendBoth(fabric: Fabric): Promise<[Pretended, Pretended]> {
  await using watch = await watchRoutes(fabric.tor.space);
  const made = await Promise.all([
    pretendContainer(fabric.host(0).space, "one", ADDRESSES.one),
    pretendContainer(fabric.host(1).space, "two", ADDRESSES.two),
  ]);
  const wanted = made.flatMap(({ addresses }) => addresses);
  await Promise.all(wanted.map((address) => watch.see(address, "added")));
  // The other host learns it a moment later.
  for (const [index, { addresses }] of made.toReversed().entries()) {
    await waitFor(() => knows(fabric.host(index), addresses), 10_000, "the other host's routes");
  }
  return made;
}

async function assertOnlyOurs(fabric: Fabric, { addresses, withdraw, announce }: Pretended): Promise<void> {
  const { space, routing } = fabric.host(0);
  const foreign = routing.kind === "bird" ? [...FOREIGN, ...FOREIGN_TO_BIRD] : FOREIGN;
  const learned = fabric.tor.kind === "bird" ? "bird" : "bgp";
  await using watch = await watchRoutes(fabric.tor.space);
  await using own = await watchRoutes(space);
  const change = async (verb: "add" | "del") => {
    await space.exec(["ip", "-batch", "-"], { stdin: foreign.map((route) => `route ${verb} ${route}`).join("\n") });
  };
  await change("add");
  await withdraw();
  const delays = await Promise.all(addresses.map((address) => routeDelay(own, watch, address, "deleted")));
  assert.equal(delays.length, 2);
  const sinceMs = Date.now();
  await announce();
  await Promise.all(addresses.map((address) => watch.see(address, "added", sinceMs)));
  const seen = watch.events().filter(({ protocol }) => protocol === learned);
  assert.deepEqual([...new Set(seen.map(({ destination }) => destination))].sort(), [...addresses].sort());
  await change("del");
}

/** Until here a lost BFD session meant a restart to BIRD; FRR cannot be told. */
async function makeBfdHard(fabric: Fabric): Promise<void> {
  if (fabric.tor.kind === "bird") {
    await fabric.tor.routing.configure(fabric.tor.config("hard"));
    await Promise.all(fabric.hosts.map((host) => host.routing.configure(host.config({ bfd: "hard" }))));
    await fabric.settled();
  }
}

async function assertCutIsNoticed(fabric: Fabric, lost: Pretended, kept: Pretended): Promise<void> {
  await waitFor(() => knows(fabric.tor, [...lost.addresses, ...kept.addresses]), WITHDRAWN_DEADLINE_MS, "all routes");
  await using watch = await watchRoutes(fabric.tor.space);
  await fabric.host(0).cable.cut();
  const gone = await Promise.all(lost.addresses.map((address) => watch.see(address, "deleted")));
  assert.equal(gone.length, 2);
  await assertLostByBfd(fabric);
  assert.ok(await knows(fabric.tor, kept.addresses));
  await fabric.host(0).cable.mend();
  await waitFor(() => knows(fabric.tor, lost.addresses), WITHDRAWN_DEADLINE_MS, "the routes to come back");
}

/** Not by the hold timer, which would find it out as well. */
async function assertLostByBfd({ tor, hosts }: Fabric): Promise<void> {
  if (tor.kind === "bird") {
    assert.match(await tor.routing.control("show protocols all host1_4"), /Last error: +Error: BFD session down/);
  } else {
    const neighbor = await tor.routing.control(`show bgp neighbors ${hosts[0]?.ipv4}`);
    assert.match(neighbor, /BFD Down/);
  }
}

async function knows(place: Place, destinations: readonly string[]): Promise<boolean> {
  const tables = await Promise.all(["-4", "-6"].map((family) => place.exec(["ip", family, "-o", "route"])));
  const known = tables.flatMap((table) => table.split("\n").map((line) => line.split(" ")[0]));
  return destinations.every((destination) => known.includes(destination));
}

function resident(name: string, place: Place, addresses: readonly string[]): Resident {
  return { name, place, addresses };
}

function addressesOf({ ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [ipv4, ipv6];
}
