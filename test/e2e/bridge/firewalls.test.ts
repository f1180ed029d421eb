/** Hosts whose packet filter is not the usual one. All other tests run with iptables-nft and bridged packets filtered. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import type { LabHost } from "../../lab/host.ts";
import { setSysctls } from "../../lab/lan.ts";
import { type BridgeRig, bridgeRig } from "./rig.ts";
import { assertVisits } from "./visits.ts";

const engine = engineUnderTest();

describe(`iptables-nft with engine ${engine}`, () => {
  const rig = bridgeRig();
  test("bridge-nf-call 0", () => withBridgedPackets(rig, 0));
});

describe(`iptables-legacy with engine ${engine}`, () => {
  const rig = bridgeRig({ iptables: "legacy" });
  for (const filtered of [1, 0] as const) {
    test(`bridge-nf-call ${filtered}`, async () => {
      assert.match(await rig.host.exec(["iptables", "-V"]), /legacy/);
      await withBridgedPackets(rig, filtered);
    });
  }
});

const bridgedPackets = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];

/** The host is left as it was: whatever differs at the end counts as changed by the driver. */
async function withBridgedPackets(rig: BridgeRig, filtered: 0 | 1): Promise<void> {
  const { space } = rig.host;
  const found = await Promise.all(
    bridgedPackets.map(async (name) => [name, await space.exec(["sysctl", "-n", name])] as const),
  );
  await setSysctls(space, Object.fromEntries(bridgedPackets.map((name) => [name, String(filtered)])));
  try {
    await assertAllWorks(rig, filtered);
  } finally {
    await setSysctls(space, Object.fromEntries(found));
  }
}

async function assertAllWorks(rig: BridgeRig, filtered: 0 | 1): Promise<void> {
  const { host, client } = rig;
  const before = await filterOf(host);
  assert.match(before, /-P FORWARD DROP/);
  await rig.network("open", "--ipv6", "--subnet", "10.89.1.0/24", "--subnet", "fd89:1::/64");
  await rig.network("quiet", "--ipv6", "--subnet", "10.89.2.0/24", "--subnet", "fd89:2::/64", "-o", "icc=false");
  const [a, b, left, right] = await Promise.all([
    rig.run("open-a", "open", { args: ["-p", "8080:80"] }),
    rig.run("open-b", "open"),
    rig.run("left", "quiet"),
    rig.run("right", "quiet", { args: ["-p", "8081:80"] }),
    rig.serveOn(client, "tcp:9000"),
  ]);
  await assertVisits([
    ...[rig.ipv4, rig.ipv6].flatMap((to) => [
      { from: client, to, port: 8080, meets: a.host, as: to === rig.ipv4 ? client.ipv4 : client.ipv6 },
      { from: client, to, port: 8081, meets: right.host },
      { from: host, to, port: 8080, meets: a.host },
      { from: a, to, port: 8080, meets: a.host },
      { from: b, to, port: 8080, meets: a.host },
      { from: left, to, port: 8080, meets: a.host },
      { from: a, to, port: 8081, meets: right.host },
    ]),
    // The kernel can translate an answer to ::1 only where bridged packets are not filtered.
    { from: host, to: "::1", port: 8080, ...(filtered === 0 ? { meets: a.host } : {}) },
    { from: host, to: "127.0.0.1", port: 8080, meets: a.host },
    { from: a, to: b.ipv4, meets: b.host, as: a.ipv4 },
    { from: a, to: b.ipv6, meets: b.host, as: a.ipv6 },
    { from: a, to: client.ipv4, port: 9000, meets: client.name, as: rig.ipv4 },
    { from: a, to: client.ipv6, port: 9000, meets: client.name, as: rig.ipv6 },
    { from: left, to: right.ipv4 },
    { from: left, to: right.ipv6 },
    { from: a, to: left.ipv4 },
    { from: left, to: a.ipv6 },
    { from: left, to: rig.ipv4, port: 8081, meets: right.host },
    { from: left, to: rig.ipv6, port: 8081, meets: right.host },
    { from: right, to: rig.ipv4, port: 8081, meets: right.host },
    { from: right, to: rig.ipv6, port: 8081, meets: right.host },
  ]);
  await assertIpv6Loopback(rig, filtered);
  await rig.clean();
  assert.equal(await filterOf(host), before);
}

async function assertIpv6Loopback(rig: BridgeRig, filtered: 0 | 1): Promise<void> {
  const args = ["-p", "[::1]:8082:80"];
  if (filtered === 1) {
    const refusal = await rig.host.dockerFails("run", "-d", "--network", "open", ...args, "fairway-test:1");
    assert.match(
      refusal,
      /cannot publish \[::1\]:8082\/tcp while net\.bridge\.bridge-nf-call-ip6tables is 1[\s\S]*FW3006/,
    );
    return;
  }
  const local = await rig.run("local", "open", { args });
  await assertVisits([
    { from: rig.host, to: "::1", port: 8082, meets: local.host },
    { from: rig.client, to: rig.ipv6, port: 8082 },
  ]);
}

/** The engine's own rules, byte by byte. */
async function filterOf(host: LabHost): Promise<string> {
  const listings = await Promise.all(
    ["iptables", "ip6tables"].flatMap((program) =>
      ["filter", "nat"].map((table) => host.execInRoot([program, "-w", "5", "-t", table, "-S"])),
    ),
  );
  return listings.join("\n");
}
