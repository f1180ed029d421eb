/** Published ports: every form of -p, from everywhere. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import { waitFor } from "../../lab/wait.ts";
import { bridgeRig } from "./rig.ts";
import { elementsOf, lastCall, portsOf, statusOf } from "./sights.ts";
import { assertVisits, type Visit } from "./visits.ts";

const DUAL = ["--ipv6", "--subnet", "10.93.0.0/24", "--subnet", "fd93::/64"];

describe(`published ports with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("all forms, from the LAN, the host, the container itself, neighbours and other networks", async () => {
    const { host, client } = rig;
    await rig.network("shop", ...DUAL);
    await rig.network("other", "--ipv6", "--subnet", "fd94::/64");
    const publish = [
      ...["8080:80", "8053:53/udp", "9000-9002:7000-7002", "8090-8099:80", "9899:9899/sctp"],
      ...[`${rig.ipv4}:8081:80`, `[${rig.ipv6}]:8082:80`, "127.0.0.1:8083:80"],
    ].flatMap((port) => ["-p", port]);
    const web = await rig.run("web", "shop", { args: publish, command: ["serve", "80", "7000-7002"] });
    const [peer, far] = await Promise.all([rig.run("peer", "shop"), rig.run("far", "other"), rig.serve(web, "udp:53")]);
    const everywhere: Visit[] = [rig.ipv4, rig.ipv6].flatMap((to) => [
      { from: client, to, port: 8080, meets: web.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
      {
        from: client,
        to,
        port: 8053,
        over: "udp" as const,
        meets: web.host,
        as: to === rig.ipv4 ? client.ipv4 : client.ipv6,
      },
      { from: client, to, port: 9002, meets: web.host },
      { from: client, to, port: 8090, meets: web.host },
      { from: client, to, port: 8091 },
      { from: client, to, port: 8083 },
      { from: client, to, port: 80 },
      { from: host, to, port: 8080, meets: web.host },
      { from: host, to, port: 8053, over: "udp" as const, meets: web.host },
      { from: web, to, port: 8080, meets: web.host },
      { from: web, to, port: 8053, over: "udp" as const, meets: web.host },
      { from: peer, to, port: 8080, meets: web.host },
      { from: peer, to, port: 8053, over: "udp" as const, meets: web.host },
      { from: far, to, port: 8080, meets: web.host, as: to === rig.ipv4 ? far.ipv4 : far.ipv6 },
      { from: far, to, port: 8053, over: "udp" as const, meets: web.host },
    ]);
    await assertVisits([
      ...everywhere,
      { from: client, to: rig.ipv4, port: 8081, meets: web.host },
      { from: client, to: rig.ipv6, port: 8081 },
      { from: client, to: rig.ipv6, port: 8082, meets: web.host },
      { from: client, to: rig.ipv4, port: 8082 },
      { from: peer, to: rig.ipv4, port: 8081, meets: web.host },
      { from: peer, to: rig.ipv6, port: 8082, meets: web.host },
      { from: host, to: "127.0.0.1", port: 8080, meets: web.host },
      { from: host, to: "127.0.0.1", port: 8053, over: "udp", meets: web.host },
      { from: host, to: "127.0.0.1", port: 8083, meets: web.host },
      { from: host, to: "127.0.0.2", port: 8083 },
      { from: peer, to: "10.93.0.1", port: 8083 },
    ]);
    // This kernel has no SCTP sockets to send with: what the packet filter would do has to suffice.
    const sctp = (await elementsOf(host, "publish_any")).filter((element) => element.includes("sctp"));
    assert.equal(sctp.length, 2, sctp.join("\n"));
    assert.deepEqual((await snapshotOurs(host)).proxies, []);
  });

  test("numbers that the kernel picks are free ones, and are shown", async () => {
    const { host, client } = rig;
    await rig.network("pick", ...DUAL);
    const web = await rig.run("web", "pick", { args: ["-p", "80", "-p", "80/udp", "--expose", "81", "-P"] });
    await waitFor(
      async () => JSON.stringify(await statusOf(host)).includes('"container":"web"'),
      10_000,
      "the container's name in the status",
    );
    const ports = await portsOf(host, web.ipv4);
    const number = ports.find(
      ({ protocol, containerPort }) => protocol === "tcp" && containerPort === 80,
    )?.hostPortFirst;
    assert.ok(number !== undefined && number >= 32_768, JSON.stringify(ports));
    assert.deepEqual([...new Set(ports.map(({ containerPort }) => containerPort))].sort(), [80, 81]);
    await assertVisits([
      { from: client, to: rig.ipv4, port: number, meets: web.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, port: number, meets: web.host, as: client.ipv6 },
    ]);

    const range = (await host.exec(["cat", "/proc/sys/net/ipv4/ip_local_port_range"])).trim();
    await rig.serveOnHost("tcp:41000", "tcp:41001", "tcp:41003");
    await host.exec(["tee", "/proc/sys/net/ipv4/ip_local_port_range"], { stdin: "41000 41003" });
    try {
      const last = await rig.run("last", "pick", { args: ["-p", "80"] });
      assert.deepEqual([...new Set((await portsOf(host, last.ipv4)).map((port) => port.hostPortFirst))], [41_002]);
      const refusal = await host.dockerFails("run", "-d", "--network", "pick", "-p", "80", "fairway-test:1");
      assert.match(refusal, /cannot publish a free port\/tcp on 0\.0\.0\.0: no port of it is free|no free/);
    } finally {
      await host.exec(["tee", "/proc/sys/net/ipv4/ip_local_port_range"], { stdin: range });
    }
  });

  test("a port that is taken is refused with its holder's name, and nothing of that container stays", async () => {
    const { host, client } = rig;
    await rig.network("busy", ...DUAL);
    const web = await rig.run("web", "busy", { args: ["-p", "8080:80", "-p", "8053:53/udp"] });
    const squatter = await rig.serveOnHost("tcp:8600", "udp:8601");
    await waitFor(
      async () => JSON.stringify(await statusOf(host)).includes('"container":"web"'),
      10_000,
      "the container's name to be known",
    );
    const published = await elementsOf(host, "publish");
    const sockets = (await snapshotOurs(host)).sockets;
    const start = (port: string) =>
      host.dockerFails(
        "run",
        "-d",
        "--network",
        "busy",
        "-p",
        "8500:80",
        "-p",
        "8501:53/udp",
        "-p",
        port,
        "fairway-test:1",
      );
    const byContainer = 'it is in use by container "web" on network busy';
    const byProcess = new RegExp(`it is in use by \\S+ \\(pid ${squatter}\\)`);
    assert.ok((await start("8080:80")).includes(byContainer));
    assert.ok((await start("127.0.0.1:8080:80")).includes(byContainer));
    assert.ok((await start(`[${rig.ipv6}]:8053:53/udp`)).includes(byContainer));
    assert.match(await start("8600:80"), byProcess);
    assert.match(await start("8601:53/udp"), byProcess);
    assert.match(await start("192.0.2.1:8602:80"), /192\.0\.2\.1 is not an address of this host/);
    assert.match(await start("8600-8600:80"), byProcess);
    assert.deepEqual(await elementsOf(host, "publish"), published);
    assert.deepEqual((await snapshotOurs(host)).sockets, sockets);
    // The other way round: what is published is taken for programs of the host.
    const late = await host.tryExec([process.execPath, "-e", "require('node:net').createServer().listen(8080)"]);
    assert.match(late.stderr, /EADDRINUSE/);
    // Another address, another protocol, the next number of a range: no conflict.
    const args = ["8500:80", "8053:80", "8090-8099:80", `${rig.ipv4}:8700:80`].flatMap((port) => ["-p", port]);
    const second = await rig.run("second", "busy", { args });
    const third = await rig.run("third", "busy", { args: ["-p", "127.0.0.1:8700:80", "-p", "8090-8099:80"] });
    await assertVisits([
      { from: client, to: rig.ipv4, port: 8500, meets: second.host },
      { from: client, to: rig.ipv6, port: 8053, meets: second.host },
      { from: client, to: rig.ipv4, port: 8090, meets: second.host },
      { from: client, to: rig.ipv4, port: 8091, meets: third.host },
      { from: client, to: rig.ipv4, port: 8700, meets: second.host },
      { from: host, to: "127.0.0.1", port: 8700, meets: third.host },
      { from: client, to: rig.ipv4, port: 8080, meets: web.host },
    ]);
  });

  test("a thousand ports: a run is one element, scattered ones are one transaction", async (context) => {
    const { host, client } = rig;
    await rig.network("many", ...DUAL);
    const monitor = await startMonitor();
    const scattered = Array.from({ length: 1000 }, (_, index) => ["-p", `${30_000 + 2 * index}:80`]).flat();
    // The name of the driver's thread that speaks netlink.
    const transactions = () =>
      monitor().filter((line) => /new generation \d+ by process \d+ \(fairway-kernel\)/.test(line)).length;
    const before = transactions();
    const run = await rig.run("run", "many", {
      args: ["-p", "20000-20999:20000-20999"],
      command: ["serve", "80", "20000", "20999"],
    });
    const runMs = lastCall(host, "ProgramExternalConnectivity").durationMs;
    assert.deepEqual(
      (await elementsOf(host, "range_any")).map((element) => element.slice(0, 10)),
      ["range_any4", "range_any6"],
    );
    const single = await rig.run("single", "many", { args: scattered });
    const scatteredMs = lastCall(host, "ProgramExternalConnectivity").durationMs;
    assert.equal((await elementsOf(host, "publish_any4")).length, 1000);
    await waitFor(() => transactions() > before, 5000, "the packet filter's events");
    assert.equal(transactions() - before, 2);
    context.diagnostic(`driver time: run of 1000 ports ${runMs} ms, 1000 scattered ports ${scatteredMs} ms`);
    await assertVisits([
      { from: client, to: rig.ipv4, port: 20_999, meets: run.host },
      { from: client, to: rig.ipv6, port: 20_000, meets: run.host },
      { from: client, to: rig.ipv4, port: 31_998, meets: single.host },
      { from: client, to: rig.ipv6, port: 30_000, meets: single.host },
      { from: client, to: rig.ipv4, port: 30_001 },
    ]);
  });

  test("UDP from one and the same source port follows the port to another container", async () => {
    const { client } = rig;
    await rig.network("udp", ...DUAL);
    const visits = [rig.ipv4, rig.ipv6].map(
      (to, index): Visit => ({ from: client, to, port: 8053, over: "udp", sourcePort: 5353 + index }),
    );
    const knock = () => assertVisits(visits);
    // Without a container: the kernel remembers a flow that ends at the host.
    await knock();
    for (const last of ["10", "20"]) {
      const name = `dns${last}`;
      const args = ["--ip", `10.93.0.${last}`, "--ip6", `fd93::${last}`, "-p", "8053:53/udp"];
      const box = await rig.run(name, "udp", { args, command: ["sleep", "1000"], ready: undefined });
      await rig.serve(box, "udp:53");
      await assertVisits(visits.map((visit) => ({ ...visit, meets: box.host })));
      await rig.host.docker("rm", "-f", name);
      await knock();
    }
  });

  /** Returns what nft monitor has printed so far. Resolves when it is listening. */
  async function startMonitor(): Promise<() => string[]> {
    const output = await rig.spawnOnHost(["nft", "monitor"]);
    const lines = () => output().split("\n");
    const isHeard = async () => {
      await rig.host.exec(["nft", "add", "table", "ip", "knock"]);
      await rig.host.exec(["nft", "delete", "table", "ip", "knock"]);
      return lines().length > 1;
    };
    await waitFor(isHeard, 10_000, "nft monitor to listen");
    return lines;
  }
});
