/** Addresses of containers, MAC addresses among them, and the addresses that the world sees. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { bridgeRig } from "./rig.ts";
import { addressesOn, bridgeOf, linkOf } from "./sights.ts";
import { assertVisits } from "./visits.ts";

describe(`addresses with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  test("given addresses are kept, and an address keeps its MAC", async () => {
    const { host } = rig;
    await rig.network("desk", "--ipv6", "--subnet", "10.94.0.0/24", "--subnet", "fd94::/64");
    const given = ["--ip", "10.94.0.7", "--ip6", "fd94::7"];
    const [fixed, chosen, auto] = await Promise.all([
      rig.run("fixed", "desk", { args: given }),
      rig.run("chosen", "desk", { args: ["--ip", "10.94.0.8", "--mac-address", "02:AA:bb:cc:dd:0e"] }),
      rig.run("auto", "desk"),
    ]);
    assert.deepEqual(await addressesOn(fixed, "eth0"), ["10.94.0.7/24", "fd94::7/64"]);
    assert.equal((await linkOf(chosen, "eth0")).address, "02:aa:bb:cc:dd:0e");
    for (const box of [fixed, chosen, auto]) {
      assert.equal((await linkOf(box, "eth0")).address, box.mac, "what `docker inspect` shows is what there is");
    }
    // Second hex digit: locally administered, not a group (IEEE 802).
    assert.match(fixed.mac, /^.[26ae]:/);
    assert.equal(new Set([fixed.mac, chosen.mac, auto.mac]).size, 3);
    await assertVisits([
      { from: auto, to: fixed.ipv4, meets: fixed.host },
      { from: auto, to: fixed.ipv6, meets: fixed.host },
    ]);

    await host.docker("restart", "-t", "0", "fixed");
    assert.equal((await rig.box("fixed")).mac, fixed.mac);
    // The neighbour's cache still has the MAC address of the old container.
    await host.docker("rm", "-f", "fixed");
    const heir = await rig.run("heir", "desk", { args: given });
    assert.equal(heir.mac, fixed.mac);
    await assertVisits([
      { from: auto, to: heir.ipv4, meets: heir.host },
      { from: auto, to: heir.ipv6, meets: heir.host },
    ]);
    const bridgeMac = (await linkOf(host, await bridgeOf(host, "desk"))).address;
    assert.match(bridgeMac, /^.[26ae]:/);
    await host.dockerFails("run", "-d", "--network", "desk", "--ip", "10.94.0.8", "fairway-test:1");
    await host.dockerFails("run", "-d", "--network", "desk", "--ip", "10.95.0.8", "fairway-test:1");
  });

  test("outbound traffic carries the uplink's address, a chosen one, or the container's own", async () => {
    const { host, client } = rig;
    const second = { ipv4: "10.222.0.201", ipv6: "fd00:222::201" };
    await host.exec(["ip", "addr", "add", `${second.ipv4}/24`, "dev", "eth0"]);
    // Deprecated (RFC 4862): the kernel takes it for a source only where somebody chose it.
    await host.exec(["ip", "addr", "add", `${second.ipv6}/64`, "dev", "eth0", "nodad", "preferred_lft", "0"]);
    try {
      await rig.network("usual", "--ipv6", "--subnet", "10.96.1.0/24", "--subnet", "fd96:1::/64");
      await rig.network(
        "shown",
        "--ipv6",
        "--subnet",
        "10.96.2.0/24",
        "--subnet",
        "fd96:2::/64",
        "-o",
        "masquerade=false",
      );
      await rig.network(
        "chosen",
        ...["--ipv6", "--subnet", "10.96.3.0/24", "--subnet", "fd96:3::/64"],
        ...["-o", `snat_ipv4=${second.ipv4}`, "-o", `snat_ipv6=${second.ipv6}`],
      );
      await client.exec(["ip", "route", "add", "10.96.0.0/16", "via", rig.ipv4]);
      await client.exec(["ip", "-6", "route", "add", "fd96::/16", "via", rig.ipv6]);
      const [usual, shown, chosen] = await Promise.all([
        rig.run("in-usual", "usual"),
        rig.run("in-shown", "shown", { args: ["-p", "8080:80"] }),
        rig.run("in-chosen", "chosen", { args: ["-p", "8081:80"] }),
        rig.serveOn(client, "tcp:9000", "udp:9000"),
      ]);
      const rows = [
        [usual, rig.ipv4, rig.ipv6],
        [shown, shown.ipv4, shown.ipv6],
        [chosen, second.ipv4, second.ipv6],
      ] as const;
      await assertVisits([
        ...rows.flatMap(([from, ipv4, ipv6]) =>
          (["tcp", "udp"] as const).flatMap((over) => [
            { from, over, to: client.ipv4, port: 9000, meets: client.name, as: ipv4 },
            { from, over, to: client.ipv6, port: 9000, meets: client.name, as: ipv6 },
          ]),
        ),
        { from: client, to: rig.ipv4, port: 8080, meets: shown.host, as: client.ipv4 },
        { from: client, to: second.ipv6, port: 8081, meets: chosen.host, as: client.ipv6 },
        { from: shown, to: rig.ipv4, port: 8080, meets: shown.host },
        { from: shown, to: rig.ipv6, port: 8080, meets: shown.host },
        // The client has a route to all three; only published ports are open, masqueraded or not.
        { from: client, to: usual.ipv4 },
        { from: client, to: shown.ipv4 },
        { from: client, to: shown.ipv6 },
        { from: client, to: chosen.ipv6 },
      ]);
    } finally {
      await host.exec(["ip", "addr", "del", `${second.ipv4}/24`, "dev", "eth0"]);
      await host.exec(["ip", "addr", "del", `${second.ipv6}/64`, "dev", "eth0"]);
    }
  });
});
