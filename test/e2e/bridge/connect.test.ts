/** Several networks on one container, joined and left while it runs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { bridgeRig } from "./rig.ts";
import { defaultRoutes, linkOf, portsOf } from "./sights.ts";
import { assertVisits } from "./visits.ts";

const engine = engineUnderTest();
// Of networks of equal rank the engine takes the gateway of the one whose name comes first.
const FIRST = { name: "aa", ipv4: "10.97.1", ipv6: "fd97:1:" };
const SECOND = { name: "bb", ipv4: "10.97.2", ipv6: "fd97:2:" };

describe(`connect and disconnect with engine ${engine}`, () => {
  const rig = bridgeRig();

  async function bothNetworks(): Promise<void> {
    for (const { name, ipv4, ipv6 } of [FIRST, SECOND]) {
      await rig.network(name, "--ipv6", "--subnet", `${ipv4}.0/24`, "--subnet", `${ipv6}:/64`);
    }
  }

  /** Routes and published ports of container "app" lead through this network. */
  async function assertLeadsThrough(network: typeof FIRST): Promise<void> {
    const app = await rig.box("app");
    const addresses = app.networks[network.name];
    assert.ok(addresses);
    const gateways = (await defaultRoutes(app)).map((route) => route.split(" ")[2]);
    assert.deepEqual(gateways, [`${network.ipv4}.1`, `${network.ipv6}:1`]);
    const ports = await portsOf(rig.host, addresses.ipv4);
    assert.deepEqual(ports.map((port) => port.containerAddress).sort(), [addresses.ipv4, addresses.ipv6].sort());
    await assertVisits([
      { from: rig.client, to: rig.ipv4, port: 8080, meets: app.host, as: rig.client.ipv4 },
      { from: rig.client, to: rig.ipv6, port: 8080, meets: app.host, as: rig.client.ipv6 },
      { from: app, to: rig.client.ipv4, port: 9000, meets: rig.client.name, as: rig.ipv4 },
      { from: app, to: rig.client.ipv6, port: 9000, meets: rig.client.name, as: rig.ipv6 },
    ]);
  }

  test("gateway and ports follow, in both orders", async () => {
    const { host, client } = rig;
    await bothNetworks();
    await rig.run("app", SECOND.name, { args: ["-p", "8080:80"] });
    const [inFirst, inSecond] = await Promise.all([
      rig.run("in-first", FIRST.name),
      rig.run("in-second", SECOND.name),
      rig.serveOn(client, "tcp:9000"),
    ]);
    await assertLeadsThrough(SECOND);

    await host.docker("network", "connect", "--ip", "10.97.1.50", "--ip6", "fd97:1::50", FIRST.name, "app");
    await assertLeadsThrough(FIRST);
    const app = await rig.box("app");
    assert.deepEqual([app.networks["aa"]?.ipv4, app.networks["aa"]?.ipv6], ["10.97.1.50", "fd97:1::50"]);
    assert.equal((await linkOf(app, "eth1")).address, app.networks["aa"]?.mac);
    const second = app.networks["bb"];
    assert.ok(second);
    await assertVisits([
      { from: inFirst, to: "10.97.1.50", meets: app.host },
      { from: inFirst, to: "fd97:1::50", meets: app.host },
      { from: inSecond, to: second.ipv4, meets: app.host },
      { from: inSecond, to: second.ipv6, meets: app.host },
      { from: app, to: inFirst.ipv4, meets: inFirst.host, as: "10.97.1.50" },
      { from: app, to: inSecond.ipv6, meets: inSecond.host, as: second.ipv6 },
      { from: inSecond, to: "10.97.1.50" },
      { from: inFirst, to: inSecond.ipv4 },
    ]);

    await host.docker("network", "disconnect", FIRST.name, "app");
    await assertLeadsThrough(SECOND);
    await host.docker("network", "connect", FIRST.name, "app");
    await host.docker("network", "disconnect", SECOND.name, "app");
    await assertLeadsThrough(FIRST);
    await host.docker("network", "connect", SECOND.name, "app");
    await assertLeadsThrough(FIRST);
    await host.docker("restart", "-t", "0", "app");
    await assertLeadsThrough(FIRST);
  });

  test("off all networks and on again; connected before the start", async () => {
    const { host, client } = rig;
    await bothNetworks();
    await rig.serveOn(client, "tcp:9000");
    await rig.run("app", FIRST.name, { args: ["-p", "8080:80"] });
    await host.docker("network", "disconnect", FIRST.name, "app");
    await assertVisits([{ from: client, to: rig.ipv4, port: 8080 }]);
    const other = await rig.run("other", FIRST.name, { args: ["-p", "8080:80"] });
    await assertVisits([{ from: client, to: rig.ipv4, port: 8080, meets: other.host }]);
    const refusal = await host.dockerFails("network", "connect", FIRST.name, "app");
    assert.match(refusal, /cannot publish .*8080\/tcp: it is in use by/);
    await host.docker("rm", "-f", "other");
    await host.docker("network", "connect", FIRST.name, "app");
    await assertLeadsThrough(FIRST);
    await host.docker("rm", "-f", "app");

    await host.docker("create", "--name", "app", "--network", SECOND.name, "-p", "8080:80", "fairway-test:1");
    await host.docker("network", "connect", FIRST.name, "app");
    await host.docker("start", "app");
    await assertLeadsThrough(FIRST);
  });

  test("--gw-priority decides", { skip: engine !== "28.5" && "this engine has no --gw-priority" }, async () => {
    const { host, client } = rig;
    await bothNetworks();
    await rig.serveOn(client, "tcp:9000");
    await rig.run("app", FIRST.name, { args: ["-p", "8080:80"] });
    await host.docker("network", "connect", "--gw-priority", "1", SECOND.name, "app");
    await assertLeadsThrough(SECOND);
    await host.docker("network", "disconnect", SECOND.name, "app");
    await assertLeadsThrough(FIRST);
  });
});
