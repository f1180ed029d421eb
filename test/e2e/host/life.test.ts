/** Mode host: what happens to containers while driver, engine, host and addresses come and go. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { assertNoLeaks } from "../../lab/oracle.ts";
import { snapshotOurs } from "../../lab/ours.ts";
import { whoEventually } from "../../lab/probe.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Box, bridgeRig } from "../bridge/rig.ts";
import { defaultRoutes, ping, resolve, statusOf } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";
import { startTraffic } from "../restart/traffic.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];
const SETTLE_MS = 10_000;

describe(`life of mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("beside a bridge network, joined and left while it runs", async () => {
    const { host, client } = rig;
    await rig.network("town", "--ipv6", "--subnet", "10.96.0.0/24", "--subnet", "fd96::/64");
    await rig.network("web", ...HOST);
    const [inTown] = await Promise.all([rig.run("in-town", "town"), rig.serveOn(client, "tcp:9000")]);
    // First bridge, then host, and the other way round.
    for (const [first, second] of [
      ["town", "web"],
      ["web", "town"],
    ] as const) {
      await rig.run("app", first, { args: ["--expose", "80", "-p", "8080:80"] });
      await host.docker("network", "connect", second, "app");
      const app = await rig.box("app");
      const own = app.networks["town"];
      assert.ok(own);
      await waitFor(async () => (await ping(inTown, own.ipv4)) && (await ping(app, client.ipv4)), SETTLE_MS, "app");
      await assertVisits([
        ...[rig.ipv4, rig.ipv6].flatMap((to): Visit[] => [
          { from: client, to, port: 80, meets: app.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
          { from: client, to, port: 8080, meets: app.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
          { from: inTown, to, port: 80, meets: app.host },
          { from: host, to, port: 80, meets: app.host, as: to },
        ]),
        { from: inTown, to: own.ipv4, meets: app.host },
        { from: inTown, to: own.ipv6, meets: app.host },
        { from: app, to: inTown.ipv4, meets: inTown.host, as: own.ipv4 },
        { from: app, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
        { from: app, to: client.ipv6, port: 9000, meets: client.name, as: rig.ipv6 },
      ]);
      assert.deepEqual(await resolve(app, "in-town"), [inTown.ipv4, inTown.ipv6]);
      await assertNoLeaks(host);
      await host.docker("network", "disconnect", "web", "app");
      await assertVisits([
        { from: client, to: rig.ipv4, port: 80 },
        { from: client, to: rig.ipv4, port: 8080, meets: app.host },
        { from: inTown, to: own.ipv4, meets: app.host },
        { from: app, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
      ]);
      await host.docker("rm", "-f", "app");
    }
  });

  test("kill -9 of the driver under traffic loses nothing, and it knows everything afterwards", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    await rig.run("web", "web", { args: ["--expose", "80", "-p", "8080:80"] });
    const traffic = await startTraffic(client, rig.ipv4, 80);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await host.killDriver(signal);
      await traffic.hasAnswered(20);
      await host.startDriver();
      await traffic.hasAnswered(20);
    }
    assert.deepEqual(await traffic.stop(), { failed: 0 });
    await assertNoLeaks(host);
    const refusal = await host.dockerFails("run", "-d", "--network", "web", "--expose", "80", "fairway-test:1");
    assert.match(refusal, /it is in use by container "web" on network web/);
    await host.docker("rm", "-f", "web");
    const next = await rig.run("next", "web", { args: ["--expose", "80"] });
    await assertVisits([{ from: client, to: rig.ipv4, meets: next.host, as: client.ipv4 }]);
  });

  test("a container that starts while the driver is away, or is killed, is not half there", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    await host.killDriver("SIGKILL");
    await host.dockerFails("run", "-d", "--name", "early", "--network", "web", "--expose", "80", "fairway-test:1");
    await host.startDriver();
    await host.docker("rm", "-f", "early");
    const numbers = Array.from({ length: 8 }, (_, index) => index);
    const storm = Promise.all(
      numbers.map((number) =>
        host.tryDocker([
          ...["run", "-d", "--name", `c${number}`, "--network", "web"],
          ...["--expose", String(9000 + number), "fairway-test:1", "serve", String(9000 + number)],
        ]),
      ),
    );
    await host.exec(["sh", "-c", "until [ $(ip -br link | grep -c ^fwv) -ge 2 ]; do :; done"], { timeoutMs: 30_000 });
    await host.killDriver("SIGKILL");
    await host.startDriver();
    const results = await storm;
    for (const number of numbers.filter((index) => results[index]?.code !== 0)) {
      await host.docker("start", `c${number}`);
    }
    await assertNoLeaks(host);
    const boxes = await Promise.all(numbers.map((number) => rig.box(`c${number}`)));
    await Promise.all(numbers.map((number) => whoEventually(client, rig.ipv4, 9000 + number)));
    await assertVisits(
      boxes.map((box, number) => ({ from: client, to: rig.ipv6, port: 9000 + number, meets: box.host })),
    );
  });

  test("a container that stops while the driver is away leaves its ports to the next", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    await rig.run("web", "web", { args: ["--expose", "80"] });
    await host.killDriver("SIGKILL");
    const stopping = host.tryDocker(["stop", "-t", "0", "web"]);
    await host.startDriver();
    await stopping;
    await host.docker("start", "web");
    const web = await rig.box("web");
    await whoEventually(client, rig.ipv4, 80);
    await assertVisits([{ from: client, to: rig.ipv6, meets: web.host, as: client.ipv6 }]);
  });

  test("another address on the uplink, or another link, is no reason to leave the one that is there", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const web = await rig.run("web", "web", { args: ["--expose", "80"] });
    await host.exec(["ip", "address", "add", "fd00:222::202/64", "dev", "eth0", "nodad"]);
    await host.exec(["ip", "address", "add", "10.222.0.203/24", "dev", "eth0"]);
    await host.exec(["ip", "link", "add", "tun9", "type", "veth", "peer", "name", "tun9p"]);
    await host.exec(["ip", "address", "add", "10.99.0.1/24", "dev", "tun9"]);
    await host.exec(["ip", "link", "set", "tun9", "up"]);
    await host.exec(["ip", "link", "set", "tun9p", "up"]);
    try {
      const fresh = await rig.run("fresh", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 });
      await assertVisits([
        { from: client, to: rig.ipv4, port: 80, meets: web.host, as: client.ipv4 },
        { from: client, to: rig.ipv6, port: 80, meets: web.host, as: client.ipv6 },
        { from: client, to: rig.ipv6, port: 81, meets: fresh.host, as: client.ipv6 },
      ]);
    } finally {
      await host.exec(["ip", "link", "del", "tun9"]);
      await host.exec(["ip", "address", "del", "fd00:222::202/64", "dev", "eth0"]);
      await host.exec(["ip", "address", "del", "10.222.0.203/24", "dev", "eth0"]);
    }
  });

  test("rules flushed by somebody else come back with the next change", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const before = await rig.run("before", "web", { args: ["--expose", "80"] });
    await host.exec(["nft", "delete", "table", "inet", "fairway"]);
    await rig.run("behind", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 });
    await assertVisits([
      { from: client, to: rig.ipv4, port: 80, meets: before.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, port: 80, meets: before.host, as: client.ipv6 },
    ]);
  });

  test("the host's address changes: callers find the containers at the new one, and the host is never cut off", async () => {
    const { host, client } = rig;
    const renewed = "10.222.0.201";
    await rig.network("web", ...HOST);
    const web = await rig.run("web", "web", { args: ["--expose", "80", "-p", "8080:80"] });
    await rig.serveOn(client, "tcp:9000");
    const was = `${rig.ipv4}/24`;
    try {
      await host.exec(["ip", "address", "del", was, "dev", "eth0"]);
      await host.exec(["ip", "address", "add", `${renewed}/24`, "dev", "eth0"]);
      await restoreRoutes();
      await waitFor(() => meets(web, renewed), SETTLE_MS, `the container at ${renewed}`);
      await assertVisits([
        { from: client, to: renewed, port: 8080, meets: web.host, as: client.ipv4 },
        { from: host, to: client.ipv4, port: 9000, meets: client.name, as: renewed },
        { from: web, to: client.ipv4, port: 9000, meets: client.name, as: renewed },
        { from: client, to: rig.ipv6, port: 80, meets: web.host, as: client.ipv6 },
      ]);
      const fresh = await rig.run("fresh", "web", { args: ["--expose", "81"], command: ["serve", "81"], ready: 81 });
      assert.equal(fresh.ipv4.split("/")[0], renewed);
      await assertVisits([{ from: client, to: renewed, port: 81, meets: fresh.host, as: client.ipv4 }]);
    } finally {
      await host.tryExec(["ip", "address", "del", `${renewed}/24`, "dev", "eth0"]);
      await host.exec(["ip", "address", "replace", was, "dev", "eth0"]);
      await restoreRoutes();
    }
    await waitFor(() => meets(web, rig.ipv4), SETTLE_MS, `the container back at ${rig.ipv4}`);
  });

  test("the uplink goes down and up", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    const web = await rig.run("web", "web", { args: ["--expose", "80"] });
    const addresses = [`${rig.ipv6}/64`];
    await host.exec(["ip", "link", "set", "eth0", "down"]);
    await assertVisits([{ from: client, to: rig.ipv4 }]);
    await host.exec(["ip", "link", "set", "eth0", "up"]);
    // The kernel forgets IPv6 addresses and the default routes of an interface that is set down.
    for (const address of addresses) {
      await host.exec(["ip", "address", "add", address, "dev", "eth0", "nodad"]);
    }
    await restoreRoutes();
    await waitFor(() => meets(web, rig.ipv4), SETTLE_MS, "IPv4");
    await waitFor(() => meets(web, rig.ipv6), SETTLE_MS, "IPv6");
    await assertVisits([
      { from: client, to: rig.ipv4, meets: web.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, meets: web.host, as: client.ipv6 },
      { from: host, to: rig.ipv4, meets: web.host },
    ]);
  });

  test("engine and host restart: containers come back with their ports", async () => {
    const { host, client } = rig;
    await rig.network("web", ...HOST);
    await rig.run("web", "web", { args: ["--restart=always", "--expose", "80", "-p", "8080:80"] });
    const comesBack = async () => {
      for (const [to, port] of [rig.ipv4, rig.ipv6].flatMap((address) => [
        [address, 80] as const,
        [address, 8080] as const,
      ])) {
        await whoEventually(client, to, port, 30_000);
      }
      await assertNoLeaks(host);
      assert.equal((await defaultRoutes(await rig.box("web"))).length, 2);
    };
    await host.killEngine("SIGTERM");
    await host.startEngine();
    await comesBack();
    await host.killEngine("SIGKILL");
    await host.startEngine();
    await comesBack();
    await host.reboot({ startEngine: false });
    await host.startDriver();
    await host.startEngine();
    await comesBack();
    const status = await statusOf(host);
    assert.ok(status.networks.some(({ name }) => name === "web" || name === undefined));
    assert.equal((await snapshotOurs(host)).routes.length, 2);
  });

  async function meets(box: Box, to: string): Promise<boolean> {
    return (await whoEventually(rig.client, to, 80, 1000)).host === box.host;
  }

  /** Of the LAN; `ip` forgets them with the last address. */
  async function restoreRoutes(): Promise<void> {
    await rig.host.exec(["ip", "route", "replace", "default", "via", "10.222.0.1"]);
    await rig.host.exec(["ip", "-6", "route", "replace", "default", "via", "fd00:222::1"]);
  }
});
