/** Mode host: how such a network is made, and what is said when it cannot be. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { openLan } from "../../lab/lan.ts";
import { whoEventually } from "../../lab/probe.ts";
import { waitFor } from "../../lab/wait.ts";
import { bridgeRig } from "../bridge/rig.ts";
import { addressesOn, linkOf, statusOf } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";

const HOST = ["--ipam-driver", "fairway", "-o", "mode=host"];

const COMPOSE_FILE = `
version: "2.4"
services:
  web:
    image: fairway-test:1
    expose: ["80"]
    networks: [front, back]
  db:
    image: fairway-test:1
    networks:
      back:
        aliases: [database]
networks:
  front:
    driver: fairway
    driver_opts:
      mode: host
    ipam:
      driver: fairway
  back:
    driver: fairway
    internal: true
`;

describe(`networks of mode host with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("what is missing or wrong is answered with the command that works", async () => {
    const { host } = rig;
    const refusal = (...args: string[]) => host.dockerFails("network", "create", "-d", "fairway", ...args, "web");
    const works = "type: docker network create -d fairway --ipam-driver fairway -o mode=host NAME";
    const engineIpam = await refusal("-o", "mode=host");
    assert.ok(engineIpam.includes("mode=host needs --ipam-driver fairway"), engineIpam);
    assert.ok(engineIpam.includes(works), engineIpam);
    const elsewhere = await refusal("-o", "mode=host", "-o", "claim=published", "--subnet", "10.9.0.0/24");
    assert.ok(
      elsewhere.includes("-o claim=published -o mode=host NAME") ||
        elsewhere.includes("-o mode=host -o claim=published NAME"),
      elsewhere,
    );
    const subnet = await refusal(...HOST, "--subnet", "10.9.0.0/24");
    assert.ok(subnet.includes("subnet 10.9.0.0/24 is not an address of this host"), subnet);
    assert.ok(subnet.includes(works), subnet);
    const stranger = await refusal(...HOST, "--subnet", "192.0.2.9/32");
    assert.ok(stranger.includes("192.0.2.9 is not an address of this host"), stranger);
    const hostIp = await refusal(...HOST, "-o", "host_ip=192.0.2.9");
    assert.ok(hostIp.includes(`its addresses are`) && hostIp.includes(rig.ipv4), hostIp);
    const parent = await refusal(...HOST, "-o", "parent=nic9");
    assert.ok(parent.includes("nic9") && parent.includes("parent=eth0"), parent);
    const typo = await refusal(...HOST, "-o", "claims=published");
    assert.match(typo, /"claims" is not known; did you mean claim\?/);
    const choice = await refusal(...HOST, "-o", "claim=everything");
    assert.match(choice, /exposed.*published/s);
    const bridgeOnly = await refusal(...HOST, "-o", "icc=false");
    assert.match(bridgeOnly, /icc.*mode/s);
    const internal = await refusal(...HOST, "--internal");
    assert.match(internal, /--internal/);
    const ipamOption = await refusal(...HOST, "--ipam-opt", "blocks=4");
    assert.match(ipamOption, /blocks/);
    assert.deepEqual(await host.docker("network", "ls", "-q", "--filter", "driver=fairway"), "");
    // The command in the text is the whole truth.
    await host.docker(...works.replace("type: docker ", "").replace("NAME", "web").split(" "));
    const box = await rig.run("web", "web", { args: ["--expose", "80"] });
    await assertVisits([{ from: rig.client, to: rig.ipv4, meets: box.host }]);
  });

  test("parent and host_ip choose among uplinks and addresses; each network has its own", async () => {
    const { host, client } = rig;
    const second = await openLan({ index: 7 });
    const neighbour = await second.client("neighbour");
    await second.attach(host.space, { ifName: "eth1", defaultRoute: false });
    const [link] = JSON.parse(await host.exec(["ip", "-j", "addr", "show", "dev", "eth1"])) as {
      addr_info: { family: string; local: string; scope: string }[];
    }[];
    const onSecond = (family: string) =>
      link?.addr_info.find((address) => address.family === family && address.scope === "global")?.local ?? "";
    await host.exec(["ip", "address", "add", "10.222.0.200/24", "dev", "eth0"]);
    try {
      await rig.network("side", ...HOST, "-o", "parent=eth1");
      await rig.network("extra", ...HOST, "-o", "host_ip=10.222.0.200");
      await rig.network("plain", ...HOST, "--subnet", `${rig.ipv4}/32`);
      const [side, extra, plain] = await Promise.all([
        rig.run("side", "side", { args: ["--expose", "80"] }),
        rig.run("extra", "extra", { args: ["--expose", "80"] }),
        rig.run("plain", "plain", { args: ["--expose", "80"] }),
      ]);
      assert.deepEqual(await addressesOn(extra, "eth0"), ["10.222.0.200/32"]);
      assert.deepEqual(await addressesOn(side, "eth0"), [`${onSecond("inet")}/32`, `${onSecond("inet6")}/128`].sort());
      await assertVisits([
        { from: client, to: rig.ipv4, meets: plain.host, as: client.ipv4 },
        { from: client, to: "10.222.0.200", meets: extra.host, as: client.ipv4 },
        { from: neighbour, to: onSecond("inet"), meets: side.host, as: neighbour.ipv4 },
        { from: neighbour, to: onSecond("inet6"), meets: side.host, as: neighbour.ipv6 },
        { from: plain, to: onSecond("inet"), meets: side.host, as: rig.ipv4 },
        { from: extra, to: rig.ipv4, meets: plain.host, as: "10.222.0.200" },
        { from: host, to: "10.222.0.200", meets: extra.host },
      ]);
    } finally {
      await rig.clean();
      await host.exec(["ip", "address", "del", "10.222.0.200/24", "dev", "eth0"]);
      await neighbour.stop();
      await second.stop();
    }
  });

  test("what was changed on the host is shown, and is so", async () => {
    const { host } = rig;
    await rig.network("web", ...HOST);
    const { settings } = await statusOf(host);
    assert.ok(settings.some(({ name, was, now }) => `${name} ${was} ${now}` === "net.ipv6.conf.all.forwarding 0 1"));
    for (const { name, now } of settings) {
      assert.equal((await host.exec(["sysctl", "-n", name])).trim(), now, name);
    }
  });

  test("with --ipv6 as without: the container has what the host has", async () => {
    await rig.network("web", ...HOST, "--ipv6");
    const box = await rig.run("web", "web", { args: ["--expose", "80"] });
    assert.deepEqual(await addressesOn(box, "eth0"), [`${rig.ipv4}/32`, `${rig.ipv6}/128`].sort());
    await assertVisits([
      { from: rig.client, to: rig.ipv4, meets: box.host },
      { from: rig.client, to: rig.ipv6, meets: box.host },
    ]);
  });

  test("a container on two such networks is reached at both addresses, from whichever", async () => {
    const { host, client } = rig;
    const extra = { ipv4: "10.222.0.201", ipv6: "fd00:222::201" };
    await host.exec(["ip", "address", "add", `${extra.ipv4}/24`, "dev", "eth0"]);
    await host.exec(["ip", "address", "add", `${extra.ipv6}/64`, "dev", "eth0", "nodad"]);
    try {
      await rig.network("web", ...HOST, "-o", `host_ip=${rig.ipv4},${rig.ipv6}`);
      await rig.network("extra", ...HOST, "-o", `host_ip=${extra.ipv4},${extra.ipv6}`);
      const third = await rig.run("third", "web");
      await rig.run("two", "web", { args: ["--expose", "80"] });
      await host.docker("network", "connect", "extra", "two");
      const two = await rig.box("two");
      const rules = async () => (await two.exec(["ip", "rule"])).split("\n").filter((line) => line.startsWith("0:"));
      await waitFor(async () => (await rules()).length === 2, 5000, "the rules of both");
      const pairs = [
        [rig.ipv4, extra.ipv4, client.ipv4],
        [rig.ipv6, extra.ipv6, client.ipv6],
      ] as const;
      await assertVisits(
        pairs.flatMap(([own, other, outside]): Visit[] => [
          { from: client, to: own, meets: two.host, as: outside },
          { from: client, to: other, meets: two.host, as: outside },
          { from: host, to: own, sourceAddress: other, meets: two.host, as: other },
          { from: host, to: other, sourceAddress: own, meets: two.host, as: own },
          { from: host, to: other, meets: two.host },
          { from: third, to: other, meets: two.host, as: own },
          { from: two, to: other, meets: two.host },
        ]),
      );
    } finally {
      await rig.clean();
      await host.exec(["ip", "address", "del", `${extra.ipv4}/24`, "dev", "eth0"]);
      await host.exec(["ip", "address", "del", `${extra.ipv6}/64`, "dev", "eth0"]);
    }
  });

  test("the MTU is the uplink's, or what the network says", async () => {
    await rig.network("web", ...HOST);
    await rig.network("small", ...HOST, "-o", "mtu=1400");
    const [web, small] = await Promise.all([rig.run("web", "web"), rig.run("small", "small")]);
    assert.equal((await linkOf(web, "eth0")).mtu, 1500);
    assert.equal((await linkOf(small, "eth0")).mtu, 1400);
  });

  test("compose: up, beside a bridge network, down", async () => {
    const { client } = rig;
    const compose = (...args: readonly string[]) => rig.compose("town", COMPOSE_FILE, ...args);
    await compose("up", "-d");
    const id = await compose("ps", "-q", "web");
    const web = await rig.box(id.trim());
    await whoEventually(web, "127.0.0.1", 80);
    const db = await rig.box((await compose("ps", "-q", "db")).trim());
    const back = db.networks["town_back"]?.ipv4 ?? "";
    await assertVisits([
      { from: client, to: rig.ipv4, meets: web.host, as: client.ipv4 },
      { from: client, to: rig.ipv6, meets: web.host, as: client.ipv6 },
      { from: web, to: back, meets: db.host },
      { from: db, to: rig.ipv4 },
    ]);
    await compose("down");
  });
});
