/** Mode routed: what `-p` opens at a container's own address, what it refuses, and what people are shown of it. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { TEST_IMAGE } from "../../lab/image.ts";
import { bridgeRig } from "../bridge/rig.ts";
import { elementsOf, ping } from "../bridge/sights.ts";
import { assertVisits, type Visit } from "../bridge/visits.ts";
import { bothOf, fairway, ROUTED, routedNetwork, routesTo, subnets, teach } from "./flat.ts";

const FAMILIES = ["ipv4", "ipv6"] as const;

describe(`ports of mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  before(() => teach(rig));

  test("the same number, another one, none, a range, udp: reached at the container's address by everybody", async () => {
    const { client, host } = rig;
    await routedNetwork(rig, "app", 1);
    await routedNetwork(rig, "other", 2);
    const [web, outer] = await Promise.all([
      rig.run("web", "app", {
        args: ["-p", "80:80", "-p", "8080:80", "-p", "85", "-p", "7000-7003:7000-7003", "-p", "53:53/udp"].concat([
          ...["-p", "5353:54/udp", "-p", "8443:443", "-p", "0.0.0.0:90:90"],
        ]),
        command: ["serve", "80", "82", "85", "90", "443", "7000-7004"],
      }),
      rig.run("outer", "other"),
    ]);
    await rig.serve(web, "udp:53", "udp:54");
    const reached = { tcp: [80, 8080, 85, 7000, 7003, 8443], udp: [53, 5353] } as const;
    const closed = { tcp: [82, 443, 7004, 8081], udp: [54, 80] } as const;
    await assertVisits(
      [client, outer].flatMap((from) =>
        FAMILIES.flatMap((family) =>
          (["tcp", "udp"] as const).flatMap((over): Visit[] => [
            ...reached[over].map((port) => ({ from, to: web[family], port, over, meets: web.host, as: from[family] })),
            ...closed[over].map((port) => ({ from, to: web[family], port, over })),
          ]),
        ),
      ),
    );
    await assertVisits([
      { from: client, to: web.ipv4, port: 90, meets: web.host },
      { from: client, to: web.ipv6, port: 90 },
      { from: host, to: web.ipv4, port: 8080, meets: web.host },
      { from: host, to: web.ipv6, port: 8080, meets: web.host },
      { from: client, to: rig.ipv4, port: 80 },
      { from: client, to: rig.ipv6, port: 8080 },
    ]);
    assert.deepEqual(await Promise.all(bothOf(web).map((to) => ping(client, to))), [true, true]);
    assert.equal((await elementsOf(host, "reachable_range4 ")).length, 1);
    const text = await fairway(host, "ports");
    for (const line of [
      `${web.ipv4}:80->80/tcp`,
      `${web.ipv4}:8080->80/tcp`,
      `[${web.ipv6}]:7000-7003->7000-7003/tcp`,
      `[${web.ipv6}]:5353->54/udp`,
    ]) {
      assert.ok(text.includes(line), `${line} in\n${text}`);
    }
    const status = await fairway(host, "status");
    assert.match(status, /^app +routed +10\.20\.1\.0\/24, fd00:20:1::\/64 .*mtu 1500 +announces blocks$/m);
    assert.match(status, new RegExp(`^ +web +${web.ipv4} ${web.ipv6} +fwv\\w{12} +\\S+->`, "m"));
    await host.docker("rm", "-f", "web");
    assert.deepEqual(await elementsOf(host, "reachable"), []);
    assert.deepEqual(await elementsOf(host, "renumbered"), []);
  });

  test("reachable=all opens all ports to all, and -p still renumbers", async () => {
    const { client } = rig;
    await routedNetwork(rig, "open", 1, "-o", "reachable=all", "-o", "icc=false");
    await rig.network("town", "--ipv6", "--subnet", "10.98.1.0/24", "--subnet", "fd98:1::/64");
    const [web, neighbour, town] = await Promise.all([
      rig.run("web", "open", { args: ["-p", "8080:80"], command: ["serve", "80", "81"] }),
      rig.run("neighbour", "open"),
      rig.run("in-town", "town"),
    ]);
    await rig.serve(web, "udp:53");
    await assertVisits(
      [client, town, neighbour].flatMap((from) =>
        FAMILIES.flatMap((family): Visit[] => [
          { from, to: web[family], port: 80, meets: web.host, as: from[family] },
          { from, to: web[family], port: 81, meets: web.host },
          { from, to: web[family], port: 8080, meets: web.host },
          { from, to: web[family], port: 53, over: "udp", meets: web.host, as: from[family] },
        ]),
      ),
    );
    assert.match(await fairway(rig.host, "status"), /^open +routed .*all ports reachable/m);
  });

  test("ports that cannot be meant are refused in words that help, and nothing of that container stays", async () => {
    const { host } = rig;
    await routedNetwork(rig, "app", 1);
    const refused = async (...args: string[]) => {
      const text = await host.dockerFails("run", "-d", "--name", "late", "--network", "app", ...args, TEST_IMAGE);
      await host.docker("rm", "-f", "late");
      return text;
    };
    const onLoopback = await refused("-p", "127.0.0.1:80:80");
    assert.match(
      onLoopback,
      /cannot publish 80\/tcp on 127\.0\.0\.1: in mode routed the container has an address of its/,
    );
    assert.match(onLoopback, /write -p 80 to make it reachable at the container's address[\s\S]*FW3006/);
    assert.match(await refused("-p", `${rig.ipv4}:8080:80`), /write -p 8080:80 to make it reachable/);
    assert.match(await refused("-p", "80:80", "-p", "80:81"), /port 80\/tcp of .* asked for twice[\s\S]*FW3004/);
    assert.match(await refused("-p", "7000-7005:7000-7005", "-p", "7003:80"), /asked for twice[\s\S]*FW3004/);
    assert.deepEqual(await elementsOf(host, "source"), []);
    assert.deepEqual(await routesTo(host, "10.20.1.2", "fd00:20:1::2"), []);
    const web = await rig.run("web", "app", { args: ["-p", "80:80", "-p", "80:80/udp"] });
    await assertVisits([{ from: rig.client, to: web.ipv4, meets: web.host }]);
  });

  test("options and subnets that cannot be meant are refused in words that help", async () => {
    const { host, client } = rig;
    const refused = (...args: string[]) =>
      host.dockerFails("network", "create", "-d", "fairway", ...ROUTED, ...args, "refused");
    for (const option of [
      "masquerade=true",
      "bridge_name=br9",
      "publish_address=10.0.0.1",
      "parent=eth0",
      "claim=published",
    ]) {
      assert.match(
        await refused("-o", option, ...subnets(1)),
        new RegExp(`${option.split("=")[0]}.*routed[\\s\\S]*FW100`),
      );
    }
    assert.match(await refused("-o", "flat_space=10.0.0.0/8"), /no meaning without egress_nat=true[\s\S]*FW1003/);
    assert.match(await refused("-o", "flat_space=ten", "-o", "egress_nat=true"), /flat_space[\s\S]*FW1002/);
    assert.match(await refused("-o", "reachable=some"), /reachable: "some" is not [\s\S]*FW1002/);
    assert.match(await refused("-o", "anounce=block"), /did you mean announce\?[\s\S]*FW1001/);
    assert.match(await refused("-o", "mtu=1000", ...subnets(1)), /too small for a network with IPv6[\s\S]*FW1003/);
    assert.match(await refused("--ipam-driver", "null"), /FW3001/);
    for (const subnet of ["127.0.5.0/24", "224.1.0.0/16", "240.1.0.0/24", "169.254.80.0/24"]) {
      assert.match(await refused("--subnet", subnet), /overlaps with[\s\S]*FW3002/, subnet);
    }
    assert.match(
      await refused("--subnet", "10.222.0.128/25"),
      /overlaps with the host's route 10\.222\.0\.0\/24 on eth0/,
    );
    await host.exec(["ip", "route", "add", "10.20.1.128/25", "via", client.ipv4]);
    assert.match(await refused("--subnet", "10.20.1.0/24"), /overlaps with the host's route 10\.20\.1\.128\/25/);
    await host.exec(["ip", "route", "del", "10.20.1.128/25"]);
    // What a routing daemon has learnt about the other hosts of the subnet is no reason, and stays.
    await host.exec(["ip", "route", "add", "10.20.1.128/25", "via", client.ipv4, "proto", "bird"]);
    await routedNetwork(rig, "app", 1, "--ip-range", "10.20.1.0/25");
    const [web] = await Promise.all([
      rig.run("web", "app"),
      client.exec(["ip", "addr", "add", "10.20.1.130/32", "dev", "lo"]),
    ]);
    try {
      await rig.serveOn(client, "tcp:9000");
      await assertVisits([
        { from: web, to: "10.20.1.130", port: 9000, meets: client.name, as: web.ipv4 },
        { from: client, to: web.ipv4, sourceAddress: "10.20.1.130", meets: web.host, as: "10.20.1.130" },
        { from: client, to: web.ipv4 },
      ]);
      for (const mode of ["routed", "bridge"]) {
        const args = ["--ipam-driver", "fairway", "--subnet", "10.20.1.64/26", "refused"];
        const text = await host.dockerFails("network", "create", "-d", "fairway", "-o", `mode=${mode}`, ...args);
        assert.match(text, /overlaps with|FW30(02|10)/);
      }
      await host.docker("rm", "-f", "web");
      await host.docker("network", "rm", "app");
      assert.match(await host.exec(["ip", "route"]), /^10\.20\.1\.128\/25 via \S+ dev eth0 proto bird/m);
    } finally {
      await host.exec(["ip", "route", "del", "10.20.1.128/25"]);
      await client.exec(["ip", "addr", "del", "10.20.1.130/32", "dev", "lo"]);
    }
  });
});
