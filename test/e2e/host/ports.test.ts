/** Mode host: which ports of the host lead where, who is refused, and how a number that was picked is learnt. */
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LabHost } from "../../lab/host.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { elementsOf } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];
const FAIRWAY = path.join(import.meta.dirname, "../../../bin/fairway");
const IMAGE = "fairway-test:1";

describe(`ports of mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("two servers share the host's ports, and a third that wants a taken one is told who has it", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const shop = await rig.run("shop", "web", { args: ["--expose", "80"] });
    const blog = await rig.run("blog", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 });
    await namesAreKnown("shop", "blog");
    const refusal = await host.dockerFails("run", "-d", "--name", "late", "--network", "web", "--expose", "80", IMAGE);
    assert.match(refusal, /cannot publish \S+:80\/tcp: it is in use by container "shop" on network web/);
    assert.match(refusal, /claim=published {2}\[FW3004/);
    await host.docker("rm", "-f", "late");
    const both: Visit[] = [rig.ipv4, rig.ipv6].flatMap((to): Visit[] => [
      { from: client, to, port: 80, meets: shop.host },
      { from: client, to, port: 81, meets: blog.host },
    ]);
    await assertVisits(both);
    await host.docker("rm", "-f", "shop");
    const next = await rig.run("next", "web", { args: ["--expose", "80"] });
    await assertVisits([
      { from: client, to: rig.ipv4, port: 80, meets: next.host },
      { from: client, to: rig.ipv6, port: 80, meets: next.host },
      { from: client, to: rig.ipv4, port: 81, meets: blog.host },
    ]);
  });

  test("a port of a host's process or of another network is refused, and nothing of that container stays", async () => {
    const { host } = rig;
    await rig.network("web", ...HOST);
    await rig.network("town", "--ipv6", "--subnet", "10.93.0.0/24", "--subnet", "fd93::/64");
    await rig.run("shop", "town", { args: ["-p", "8080:80"] });
    const squatter = await rig.serveOnHost("tcp:8600", "udp:8601");
    await namesAreKnown("shop");
    const before = await traces();
    const refused = (...args: string[]) => host.dockerFails("run", "-d", "--network", "web", ...args, IMAGE);
    const byProcess = new RegExp(`it is in use by \\S+ \\(pid ${squatter}\\)`);
    assert.match(await refused("--expose", "8500", "--expose", "8600"), byProcess);
    assert.match(await refused("--expose", "8500", "--expose", "8601/udp"), byProcess);
    assert.match(await refused("--expose", "8500", "-p", "8600:80"), byProcess);
    assert.match(await refused("--expose", "8080"), /it is in use by container "shop" on network town/);
    assert.match(await refused("-p", "8080:80"), /it is in use by container "shop" on network town/);
    await waitFor(async () => (await traces()) === before, 5000, "nothing to be left of the refused");
    await rig.run("fits", "web", { args: ["--expose", "8500", "-p", "8601:80"] });
    await namesAreKnown("fits");
    const late = await host.dockerFails("run", "-d", "--network", "town", "-p", "8500:80", IMAGE);
    assert.match(late, /it is in use by container "fits" on network web/);
  });

  test("a claimed port cannot be taken by the host, and is free the moment the container stops", async () => {
    const { host } = rig;
    await rig.network("web", ...HOST);
    await rig.run("shop", "web", { args: ["--expose", "8700", "--expose", "8701/udp"] });
    assert.match(await listen("tcp", 8700, "0.0.0.0"), /EADDRINUSE/);
    assert.match(await listen("tcp", 8700, rig.ipv4), /EADDRINUSE/);
    assert.match(await listen("tcp", 8700, rig.ipv6), /EADDRINUSE/);
    assert.match(await listen("tcp", 8700, "127.0.0.1"), /EADDRINUSE/);
    assert.match(await listen("udp", 8701, rig.ipv6), /EADDRINUSE/);
    assert.equal(await listen("tcp", 8702, rig.ipv4), "");
    await host.docker("stop", "-t", "0", "shop");
    assert.equal(await listen("tcp", 8700, "0.0.0.0"), "");
    assert.equal(await listen("udp", 8701, rig.ipv6), "");
    await host.docker("start", "shop");
    assert.match(await listen("tcp", 8700, rig.ipv4), /EADDRINUSE/);
  });

  test("other numbers by translation, one address alone, and only what is published with claim=published", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    await rig.network("strict", ...HOST, "-o", "claim=published");
    const publish = ["8080:80", "127.0.0.1:8081:81", `${rig.ipv4}:8082:82`].flatMap((port) => ["-p", port]);
    const [web, strict] = await Promise.all([
      rig.run("web", "web", { args: publish, command: ["serve", "80-82"] }),
      rig.run("strict", "strict", {
        args: ["--expose", "90", "-p", "91:91"],
        command: ["serve", "90", "91"],
        ready: 91,
      }),
    ]);
    await assertVisits([
      ...[rig.ipv4, rig.ipv6].flatMap((to): Visit[] => [
        { from: client, to, port: 80, meets: web.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
        { from: client, to, port: 8080, meets: web.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
        { from: host, to, port: 8080, meets: web.host, as: to },
        { from: web, to, port: 8080, meets: web.host },
        { from: strict, to, port: 8080, meets: web.host },
        { from: client, to, port: 81 },
        { from: client, to, port: 8081 },
        { from: client, to, port: 90 },
        { from: client, to, port: 91, meets: strict.host },
      ]),
      { from: host, to: "127.0.0.1", port: 80, meets: web.host },
      { from: host, to: "127.0.0.1", port: 8080, meets: web.host },
      { from: host, to: "127.0.0.1", port: 8081, meets: web.host },
      { from: host, to: rig.ipv4, port: 8081 },
      { from: client, to: rig.ipv4, port: 8082, meets: web.host },
      { from: client, to: rig.ipv6, port: 8082 },
      { from: host, to: "127.0.0.1", port: 90 },
    ]);
  });

  test("a number that is picked comes from the range, is known inside, and is listed for registries", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST, "-o", "dynamic_ports=20100-20102");
    const shop = await rig.run("shop", "web", { args: ["-p", "80", "-p", "53/udp"] });
    await rig.serve(shop, "udp:53");
    await namesAreKnown("shop");
    const known = await numbersInside(shop);
    const [tcp = 0, udp = 0] = [known["80/tcp"], known["53/udp"]];
    assert.ok(tcp >= 20_100 && tcp <= 20_102, JSON.stringify(known));
    const listed = (await portsOf(host)).filter(({ container }) => container === "shop");
    assert.deepEqual(
      new Set(listed.map((port) => `${port.containerPort}/${port.protocol} ${port.hostPortFirst}`)),
      new Set([`80/tcp ${tcp}`, `53/udp ${udp}`]),
    );
    assert.ok(listed.every(({ network, mode }) => network === "web" && mode === "host"));
    assert.match(await host.exec([FAIRWAY, "ports", "--run-dir", "/run/fairway"]), new RegExp(`web +shop .*${tcp}`));
    await assertVisits([
      ...[rig.ipv4, rig.ipv6].flatMap((to): Visit[] => [
        { from: client, to, port: tcp, meets: shop.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
        { from: client, to, port: udp, over: "udp", meets: shop.host },
        { from: client, to, port: 80 },
      ]),
    ]);
    await rig.run("second", "web", { args: ["-p", "80"] });
    await rig.run("third", "web", { args: ["-p", "80"] });
    const refusal = await host.dockerFails("run", "-d", "--network", "web", "-p", "80", IMAGE);
    assert.match(refusal, /20100-20102/);
  });

  test("a hundred exposed ports all answer", async () => {
    const { client } = rig;
    await rig.network("web", ...HOST);
    const args = ["--expose", "9000-9099"];
    const web = await rig.run("web", "web", { args, command: ["serve", "9000-9099"], ready: 9099 });
    await assertVisits([
      { from: client, to: rig.ipv4, port: 9000, meets: web.host },
      { from: client, to: rig.ipv6, port: 9099, meets: web.host },
      { from: client, to: rig.ipv4, port: 9100 },
    ]);
  });

  async function namesAreKnown(...names: string[]): Promise<void> {
    const isKnown = async () => {
      const found = new Set((await portsOf(rig.host)).map(({ container }) => container));
      return names.every((name) => found.has(name));
    };
    await waitFor(isKnown, 10_000, `the names of ${names.join(", ")}`);
  }

  /** Exit 0 and no output when the host could listen there. */
  async function listen(protocol: "tcp" | "udp", port: number, address: string): Promise<string> {
    const open =
      protocol === "tcp"
        ? `require("node:net").createServer().listen(${port}, "${address}", () => process.exit())`
        : `require("node:dgram").createSocket("udp6").bind(${port}, "${address}", () => process.exit())`;
    return (await rig.host.tryExec([process.execPath, "-e", open])).stderr;
  }

  async function traces(): Promise<string> {
    const { links, sockets } = await snapshotOurs(rig.host);
    const elements = (await elementsOf(rig.host, "")).filter((element) => !element.startsWith("fault"));
    return JSON.stringify([links, [...sockets].sort(), elements]);
  }
});

interface ListedPort {
  readonly network: string;
  readonly mode: string;
  readonly container?: string;
  readonly protocol: string;
  readonly hostPortFirst: number;
  readonly containerPort: number;
}

async function portsOf(host: LabHost): Promise<readonly ListedPort[]> {
  const text = await host.exec([FAIRWAY, "ports", "--run-dir", "/run/fairway", "--json"]);
  return (JSON.parse(text) as { ports: ListedPort[] }).ports;
}

/** What the container reads from its interface, as docs/modes/host.md says. */
async function numbersInside(box: Box): Promise<Readonly<Record<string, number>>> {
  const text = await waitFor(
    async () => {
      const alias = await box.exec(["ip", "-j", "link", "show", "dev", "eth0"]);
      return (JSON.parse(alias) as { ifalias?: string }[])[0]?.ifalias ?? "";
    },
    5000,
    "the numbers on the interface",
  );
  return Object.fromEntries(
    text
      .split(" ")
      .map((entry) => entry.split("="))
      .map(([port, number]) => [port, Number(number)]),
  );
}
