import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import * as codec from "../../../../src/kernel/link/codec.ts";
import { NextHopLinks } from "../../../../src/kernel/link/next-hop-links.ts";
import { addFlatRoute, addLoopbackRoute, addNeighbour, addRoute } from "../../../../src/kernel/link/route-codec.ts";
import { Rtnetlink } from "../../../../src/kernel/link/rtnetlink.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../../src/model/ip.ts";
import { aliasPrefix, flatLinkGroup, shareLinkGroup } from "../../../../src/plan/names.ts";
import type { NextHopLinkSpec } from "../../../../src/plan/specs.ts";
import { FakeNetlink } from "../../../fakes/fake-netlink.ts";
import { FakeSysctls } from "../../../fakes/fake-sysctls.ts";
import { endpointOf, ip } from "../../../fakes/requests.ts";

const { hostIf: host, sandboxIf: sandbox } = endpointOf();
const sandboxMac = parseMac("02:00:00:00:01:01");
const only4: NextHopLinkSpec = {
  host,
  sandbox,
  sandboxMac,
  mtu: 1400,
  alias: `${aliasPrefix}endpoint:e:n`,
  group: shareLinkGroup,
  gateways: [ip("169.254.80.1")],
  targets: [ip("240.52.7.19")],
};
const standIn6 = ip("fd66:6169:7277:6179::34:713");
const dual = { ...only4, gateways: [...only4.gateways, ip("fe80::fa17:0:1")], targets: [...only4.targets, standIn6] };
const knob = (name: string): string => `net/ipv6/conf/${host}/${name}`;

describe("a pair without a bridge", () => {
  let kernel: FakeNetlink;
  let sysctls: FakeSysctls;
  let shares: NextHopLinks;
  const isDelete = (change: Buffer): boolean => change.equals(codec.deleteLink(host));

  beforeEach(() => {
    kernel = new FakeNetlink();
    kernel.links.push({ index: 7, name: host, kind: "veth", alias: only4.alias });
    sysctls = new FakeSysctls();
    for (const [name, value] of [
      [knob("accept_ra"), "1"],
      [knob("autoconf"), "1"],
      [knob("disable_ipv6"), "0"],
      ["net/ipv6/conf/default/disable_ipv6", "0"],
    ] as const) {
      sysctls.values.set(name, value);
    }
    shares = new NextHopLinks({ rtnetlink: new Rtnetlink(kernel), sysctls, groups: [shareLinkGroup], aliasPrefix });
  });

  test("is the container's next hop, and knows the way into it without asking", async () => {
    await shares.add(dual);
    const [, ...configuration] = kernel.sent;
    const standIn4 = ip("240.52.7.19");
    assert.deepEqual(configuration, [
      codec.activateNextHop({ index: 7, alias: only4.alias, ipv6: true }),
      codec.addLinkAddress(7, parseInterfaceAddress("169.254.80.1/32")),
      codec.addAddress(7, parseInterfaceAddress("fe80::fa17:0:1/128")),
      addNeighbour({ address: standIn4, mac: sandboxMac, index: 7 }),
      addRoute({ destination: standIn4, gateway: standIn4, index: 7 }),
      addNeighbour({ address: standIn6, mac: sandboxMac, index: 7 }),
      addRoute({ destination: standIn6, gateway: standIn6, index: 7 }),
      addLoopbackRoute(7),
    ]);
  });

  test("with a flat address: routes of the metric that was asked for, and nothing of the host's loopback", async () => {
    const targets = [ip("10.20.1.2"), ip("fd00:20:1::2")];
    const flat = { ...dual, targets, group: flatLinkGroup, flatMetrics: [9910, 9900] };
    await shares.add(flat);
    const [created, ...configuration] = kernel.sent;
    assert.ok(created?.includes(Buffer.from([0x1b, 0xfa, 0, 0])), "in its group from the beginning");
    const [four, six] = [parsePrefix("10.20.1.2/32"), parsePrefix("fd00:20:1::2/128")];
    assert.deepEqual(configuration, [
      codec.activateFlat({ index: 7, alias: only4.alias, ipv6: true }),
      codec.addLinkAddress(7, parseInterfaceAddress("169.254.80.1/32")),
      codec.addAddress(7, parseInterfaceAddress("fe80::fa17:0:1/128")),
      addNeighbour({ address: ip("10.20.1.2"), mac: sandboxMac, index: 7 }),
      addFlatRoute({ destination: four, metric: 9910, index: 7 }),
      addNeighbour({ address: ip("fd00:20:1::2"), mac: sandboxMac, index: 7 }),
      addFlatRoute({ destination: six, metric: 9900, index: 7 }),
    ]);
  });

  test("takes no router's word, and has no IPv6 unless the container has", async () => {
    await shares.add(dual);
    assert.deepEqual(sysctls.writes, [`${knob("accept_ra")}=0`, `${knob("autoconf")}=0`]);
    sysctls.writes.length = 0;
    await shares.add(only4);
    assert.deepEqual(sysctls.writes, [`${knob("disable_ipv6")}=1`]);
    assert.ok(!kernel.sent.slice(-4).some((change) => change.equals(addLoopbackRoute(7))));
  });

  test("is made on a kernel without IPv6, too", async () => {
    sysctls.values.clear();
    await shares.add(only4);
    assert.deepEqual(kernel.sent[1], codec.activateNextHop({ index: 7, alias: only4.alias, ipv6: false }));
  });

  test("that cannot be finished is deleted again, and the error says what failed", async () => {
    kernel.refuse = (change) => (change.readUInt16LE(4) === 28 ? "ENOBUFS" : undefined);
    await assert.rejects(shares.add(only4), { errno: "ENOBUFS", operation: "add neighbour 240.52.7.19" });
    assert.ok(isDelete(kernel.sent.at(-1) ?? Buffer.alloc(0)));
  });

  test("that vanishes while it is made is an error", async () => {
    kernel.links.length = 0;
    await assert.rejects(shares.add(only4), { errno: "ENODEV" });
  });

  test("takes the place of a leftover of ours", async () => {
    kernel.refuse = (_change, index) => (index === 0 ? "EEXIST" : undefined);
    await shares.add(only4);
    assert.ok(isDelete(kernel.sent[1] ?? Buffer.alloc(0)));
    assert.deepEqual(kernel.sent[2], kernel.sent[0], "made again");
  });

  test("takes no place of somebody else's: FW3007, and nothing is deleted", async () => {
    kernel.links.splice(0, 1, { index: 7, name: host, kind: "veth", alias: "mine" });
    kernel.refuse = () => "EEXIST";
    await assert.rejects(shares.add(only4), { code: "FW3007" });
    assert.equal(kernel.sent.length, 1);
  });

  test("that is refused is not configured", async () => {
    kernel.refuse = () => "EPERM";
    await assert.rejects(shares.add(only4), { errno: "EPERM", operation: `create veth pair ${host}` });
    assert.equal(kernel.sent.length, 1);
  });
});
