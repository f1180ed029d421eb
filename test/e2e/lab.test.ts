/** The lab itself: does each engine start, serve and vanish? */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { engineUnderTest } from "../lab/engines.ts";
import { environment, run } from "../lab/exec.ts";
import { compareForeign, snapshotForeign } from "../lab/foreign.ts";
import { type HostOptions, type LabHost, startHost } from "../lab/host.ts";
import { NODE_IMAGE, nodeServerCommand, TEST_IMAGE } from "../lab/image.ts";
import { type Lan, type LanClient, openLan } from "../lab/lan.ts";
import { http, tcpConnect, udpWho, whoEventually } from "../lab/probe.ts";
import { processesIn } from "../lab/processes.ts";
import { labDirectory, readRecord, sweep } from "../lab/record.ts";
import { waitFor } from "../lab/wait.ts";

const engine = engineUnderTest();

/** Names of everything that this file has started. */
const ownSpaces: string[] = [];

async function start(options: Omit<HostOptions, "engine">): Promise<LabHost> {
  const host = await startHost({ engine, ...options });
  ownSpaces.push(host.name);
  return host;
}

describe(`lab with engine ${engine}`, () => {
  let lan: Lan;
  let client: LanClient;
  let linksBefore: string[];

  before(async () => {
    linksBefore = await linksOfMachine();
    lan = await openLan();
    client = await lan.client("client");
  });

  after(async () => {
    await client.stop();
    await lan.stop();
    const stillThere = (await linksOfMachine()).filter((name) => !linksBefore.includes(name));
    assert.deepEqual(
      stillThere.filter((name) => /^(lan|p\d|eth|docker|br-|veth|fw)/.test(name)),
      [],
    );
    assert.deepEqual(tracesOf(ownSpaces), []);
  });

  test("a published port answers a client on the LAN, over both families", async () => {
    await using host = await start({ lan, images: ["test", "node"] });
    const [ipv4, ipv6] = uplinkOf(host);
    const web = await host.docker("run", "-d", "-p", "8080:80", TEST_IMAGE);
    const overIpv4 = await whoEventually(client, ipv4, 8080);
    assert.equal(overIpv4.host, web.slice(0, 12));
    assert.equal(overIpv4.peer, client.ipv4);
    assert.equal((await whoEventually(client, ipv6, 8080)).host, web.slice(0, 12));

    const echo = await host.docker("run", "-d", "-p", "5000:5000/udp", NODE_IMAGE, ...nodeServerCommand("udp:5000"));
    const answer = await waitFor(() => udpWho(client, ipv4, 5000), 15_000, "the echo");
    assert.deepEqual([answer.host, answer.peer], [echo.slice(0, 12), client.ipv4]);

    const inside = await host.container(web);
    assert.equal((await tcpConnect(inside, "127.0.0.1", 80)).ok, true);
    const refused = await http(client, `http://${ipv4}:8081/`);
    assert.equal(refused.ok ? "answered" : refused.failure, "refused");
  });

  test("two hosts run side by side and reach each other", async () => {
    const [first, second] = await Promise.all([start({ lan }), start({ lan })]);
    await using _first = first;
    await using _second = second;
    await Promise.all([first, second].map((host) => host.docker("run", "-d", "-p", "80:80", TEST_IMAGE)));
    const seen = await whoEventually(first, uplinkOf(second)[0], 80);
    assert.equal(seen.peer, uplinkOf(first)[0]);
    assert.notEqual(await first.docker("ps", "-q"), await second.docker("ps", "-q"));
  });

  test("an engine that is killed leaves its containers to the next one", async () => {
    await using host = await start({ lan, engineArgs: ["--live-restore"] });
    await host.docker("run", "-d", "--name", "web", "-p", "8080:80", TEST_IMAGE);
    const web = await host.container("web");
    await host.killEngine("SIGKILL");
    await whoEventually(web, "127.0.0.1", 80);
    await host.startEngine();
    assert.equal(await host.docker("ps", "--format", "{{.Names}}"), "web");
  });

  test("a reboot keeps disks and addresses and nothing else", async () => {
    await using host = await start({ lan });
    await host.docker("run", "-d", "--name", "web", "--restart", "always", "-p", "8080:80", TEST_IMAGE);
    await host.docker("network", "create", "kept");
    const bootId = await host.exec(["cat", "/proc/sys/kernel/random/boot_id"]);
    await host.exec(["touch", "/run/forgotten"]);
    await host.reboot();
    await whoEventually(client, uplinkOf(host)[0], 8080);
    assert.equal(await host.docker("network", "ls", "-q", "--filter", "name=kept", "--format", "{{.Name}}"), "kept");
    assert.notEqual(await host.exec(["cat", "/proc/sys/kernel/random/boot_id"]), bootId);
    assert.notEqual((await host.tryExec(["ls", "/run/forgotten"])).code, 0);
  });

  test("the foreign snapshot sees a change of the engine's rules, and that it was taken back", async () => {
    await using host = await start({});
    const before = await snapshotForeign(host);
    assert.deepEqual(compareForeign(before, await snapshotForeign(host)), []);
    const id = await host.docker("run", "-d", "-p", "8080:80", TEST_IMAGE);
    const changes = compareForeign(before, await snapshotForeign(host));
    assert.ok(
      changes.some((line) => line.startsWith("iptables-nft-save: + nat ") && line.includes("8080")),
      changes.join("\n"),
    );
    await host.docker("rm", "-f", id);
    await waitFor(
      async () => compareForeign(before, await snapshotForeign(host)).length === 0,
      10_000,
      "the old rules",
    );
  });

  test("iptables can be the legacy one", async () => {
    await using host = await start({ iptables: "legacy", bridgeNfCall: 0 });
    assert.match(await host.execInRoot(["iptables", "-V"]), /legacy/);
    assert.match(await host.exec(["iptables", "-V"]), /legacy/);
    assert.match(await host.execInRoot(["iptables-legacy-save"]), /DOCKER-USER/);
    assert.doesNotMatch(await host.execInRoot(["iptables-nft-save"]), /DOCKER/);
    assert.equal(await host.exec(["cat", "/proc/sys/net/bridge/bridge-nf-call-iptables"]), "0\n");
  });

  test("a host whose owner is killed vanishes, and the next run sweeps its directory", async () => {
    const script = `
      import { startHost } from ${JSON.stringify(path.join(import.meta.dirname, "../lab/host.ts"))};
      const host = await startHost({ engine: ${JSON.stringify(engine)} });
      await host.docker("run", "-d", "-p", "8080:80", ${JSON.stringify(TEST_IMAGE)});
      console.log(host.name);
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: environment(),
    });
    const name = await new Promise<string>((resolve) => {
      owner.stdout.once("data", (data) => resolve(String(data).trim()));
    });
    const namespace = readlinkSync(`/proc/${readRecord(name)?.init?.pid}/ns/pid`);
    assert.ok(processesIn(namespace).length > 5);
    owner.kill("SIGKILL");
    await waitFor(() => processesIn(namespace).length === 0, 10_000, "every process of the host to end");
    assert.ok((await sweep()).includes(name));
    assert.deepEqual(tracesOf([name]), []);
  });
});

function uplinkOf(host: LabHost): [string, string] {
  assert.ok(host.uplink);
  return [host.uplink.ipv4, host.uplink.ipv6];
}

async function linksOfMachine(): Promise<string[]> {
  const links = JSON.parse(await run(["ip", "-j", "link"])) as { readonly ifname: string }[];
  return links.map((link) => link.ifname);
}

/** Mounts, cgroups and directories that name a space, as seen from outside. */
function tracesOf(names: readonly string[]): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const groups = ["", ...readdirSync("/sys/fs/cgroup")].flatMap((hierarchy) => [
    path.join("/sys/fs/cgroup", hierarchy),
    ...names.map((name) => path.join("/sys/fs/cgroup", hierarchy, name)),
  ]);
  const directories = readdirSync(labDirectory()).map((name) => path.join(labDirectory(), name));
  return [...mounts, ...groups.filter((group) => existsSync(group)), ...directories].filter((trace) =>
    names.some((name) => trace.includes(name)),
  );
}
