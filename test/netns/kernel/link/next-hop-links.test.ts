import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, test } from "node:test";
import type { NextHopLinkSpec } from "../../../../src/kernel/ports.ts";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseIpAddress } from "../../../../src/model/ip.ts";
import { aliasPrefix, flatLinkGroup, linkGroup, routeMetrics, shareLinkGroup } from "../../../../src/plan/names.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { Sandbox } from "../sandbox.ts";
import { ifName, ip, links, reaperErrors, reaperTransport, seeLink, seeLinks, sysctls, transport } from "./rig.ts";

const gateway4 = parseIpAddress("169.254.80.1");
const gateway6 = parseIpAddress("fe80::fa17:0:1");
const [standIn4, standIn6] = [standInOf(7, "ipv4"), standInOf(7, "ipv6")];
const mac = "02:00:00:00:03:07";

function shareSpec(changes: Partial<NextHopLinkSpec> = {}): NextHopLinkSpec {
  return {
    host: ifName("fwv7"),
    sandbox: ifName("fwc7"),
    sandboxMac: parseMac(mac),
    mtu: 1400,
    alias: `${aliasPrefix}endpoint:7`,
    group: shareLinkGroup,
    gateways: [gateway4, gateway6],
    targets: [standIn4, standIn6],
    ...changes,
  };
}

const ipv4Only = { gateways: [gateway4], targets: [standIn4] };

/** All that the kernel has because of the pair, as text that can be compared. */
function seeTraces(): string[] {
  const commands = [
    "-4 route show table main",
    "-6 route show table main",
    "-4 neigh show nud permanent",
    "-6 neigh show nud permanent",
    "-6 route show table local ::1",
    "-brief address show",
  ];
  const lines = commands.flatMap((command) => ip(command).split("\n"));
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

function seePair(): unknown[] {
  return [seeTraces(), seeLinks().map(({ ifindex: _, ...link }) => link)];
}

function knob(path: string): string {
  return readFileSync(`/proc/sys/net/${path}`, "utf8").trim();
}

const untouched = seeTraces();

afterEach(async () => {
  links.deleteLater([ifName("fwv7"), ifName("fwv8")]);
  await links.settled();
  assert.deepEqual(seeTraces(), untouched);
  assert.deepEqual(
    seeLinks().map(({ ifname }) => ifname),
    ["lo"],
  );
});

after(async () => {
  await transport[Symbol.asyncDispose]();
  await reaperTransport[Symbol.asyncDispose]();
  assert.deepEqual(reaperErrors, []);
});

test("a new pair is as wished", async () => {
  await links.addNextHopLink(shareSpec());
  const host = seeLink("fwv7");
  assert.equal(host?.linkinfo?.info_kind, "veth");
  assert.deepEqual([host.mtu, host.group, host.ifalias], [1400, String(shareLinkGroup), "fairway:endpoint:7"]);
  assert.equal(host.master, undefined);
  assert.ok(host.flags.includes("UP"));
  assert.equal(host.inet6_addr_gen_mode, "none");
  const sandbox = seeLink("fwc7");
  assert.deepEqual([sandbox?.address, sandbox?.mtu, sandbox?.group], [mac, 1400, "default"]);
  assert.ok(sandbox !== undefined && !sandbox.flags.includes("UP"));
});

test("the host side has the gateways, alone and of this link only", async () => {
  await links.addNextHopLink(shareSpec());
  const [link] = JSON.parse(ip("-json address show dev fwv7")) as [
    { addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean }[] },
  ];
  assert.deepEqual(
    link.addr_info.map(({ local, prefixlen, scope, tentative = false }) => [local, prefixlen, scope, tentative]),
    [
      ["169.254.80.1", 32, "link", false],
      ["fe80::fa17:0:1", 128, "link", false],
    ],
  );
});

test("stand-in addresses lead into the pair, by routes that bear our number and neighbours that nobody asks for", async () => {
  await links.addNextHopLink(shareSpec());
  ip("link set fwc7 up");
  const routes = (family: string): unknown => JSON.parse(ip(`-json ${family} route show proto 143`));
  const route4 = { dst: standIn4, gateway: standIn4, dev: "fwv7", flags: ["onlink"] };
  assert.deepEqual(routes("-4"), [route4]);
  const [route6, ...more] = routes("-6") as { dst: string; gateway: string; dev: string; flags: string[] }[];
  assert.deepEqual(
    [route6?.dst, route6?.gateway, route6?.dev, route6?.flags],
    [standIn6, standIn6, "fwv7", ["onlink"]],
  );
  assert.deepEqual(more, []);
  const neighbours = JSON.parse(ip("-json neigh show dev fwv7 nud permanent")) as { dst: string; lladdr: string }[];
  assert.deepEqual(
    neighbours.map(({ dst, lladdr }) => [dst, lladdr]).sort(),
    [
      [standIn4, mac],
      [standIn6, mac],
    ].sort(),
  );
});

test("the host side lets in what comes from the host's own address, and believes no router", async () => {
  await links.addNextHopLink(shareSpec());
  for (const [path, value] of [
    ["ipv4/conf/fwv7/rp_filter", "0"],
    ["ipv4/conf/fwv7/accept_local", "1"],
    ["ipv4/conf/fwv7/route_localnet", "1"],
    ["ipv6/conf/fwv7/disable_ipv6", "0"],
    ["ipv6/conf/fwv7/accept_ra", "0"],
    ["ipv6/conf/fwv7/autoconf", "0"],
  ] as const) {
    assert.equal(knob(path), value, path);
  }
  assert.match(ip("-6 route show table local ::1 dev fwv7"), /^local ::1 proto static metric 2048/);
});

test("without IPv6 the host side has none", async () => {
  await links.addNextHopLink(shareSpec(ipv4Only));
  assert.equal(knob("ipv6/conf/fwv7/disable_ipv6"), "1");
  assert.equal(ip("-6 address show dev fwv7"), "");
  assert.equal(ip("-6 route show table all dev fwv7"), "");
  assert.match(ip("-4 route show proto 143"), new RegExp(`^${standIn4} `));
});

test("without IPv4 the stand-in address of IPv6 leads into the pair all the same", async () => {
  await links.addNextHopLink(shareSpec({ gateways: [gateway6], targets: [standIn6] }));
  assert.equal(ip("-4 route show proto 143"), "");
  assert.match(ip("-6 route show proto 143"), new RegExp(`^${standIn6} `));
});

test("twice is the same as once", async () => {
  await links.addNextHopLink(shareSpec());
  const once = seePair();
  await links.addNextHopLink(shareSpec());
  assert.deepEqual(seePair(), once);
});

test("a leftover pair that never got its alias is replaced", async () => {
  ip(`link add fwv7 group ${shareLinkGroup} type veth peer name fwc7`);
  const { ifindex } = seeLink("fwv7") ?? {};
  await links.addNextHopLink(shareSpec());
  assert.notEqual(seeLink("fwv7")?.ifindex, ifindex);
  assert.equal(seeLink("fwv7")?.ifalias, "fairway:endpoint:7");
});

for (const [what, changes] of [
  ["that shares the host's address", {}],
  ["of flat addresses", { group: flatLinkGroup, flatMetrics: [routeMetrics.announced, routeMetrics.local] }],
] as const) {
  test(`a pair ${what} and was set down and up gets back what it lost`, async () => {
    const spec = shareSpec(changes);
    await links.addNextHopLink(spec);
    ip("link set fwc7 up");
    const whole = seePair();
    await links.mendNextHopLink(spec);
    assert.deepEqual(seePair(), whole, "nothing was missing");
    ip("link set fwv7 down");
    await links.mendNextHopLink(spec);
    ip("link set fwv7 up");
    assert.notDeepEqual(seePair(), whole);
    await links.mendNextHopLink(spec);
    assert.deepEqual(seePair(), whole);
  });
}

test("a pair that is gone is not mended", async () => {
  await links.mendNextHopLink(shareSpec());
});

test("two pairs of one network have the same gateway, and lead apart", async () => {
  await links.addNextHopLink(shareSpec());
  const standIns = [standInOf(8, "ipv4"), standInOf(8, "ipv6")];
  await links.addNextHopLink(
    shareSpec({ host: ifName("fwv8"), sandbox: ifName("fwc8"), alias: "fairway:endpoint:8", targets: standIns }),
  );
  ip("link set fwc7 up");
  ip("link set fwc8 up");
  for (const [standIn, device] of [
    [standIn4, "fwv7"],
    [standIn6, "fwv7"],
    [standIns[0], "fwv8"],
    [standIns[1], "fwv8"],
  ]) {
    const [route] = JSON.parse(ip(`-json route get ${standIn}`)) as { dev: string }[];
    assert.equal(route?.dev, device);
  }
  assert.match(ip("-6 route show table local ::1"), /fwv7.*fwv8/s);
});

for (const [side, name] of [
  ["host", "fwv7"],
  ["sandbox", "fwc7"],
] as const) {
  test(`somebody else's link with the name of the ${side} side is refused and left alone`, async () => {
    ip(`link add ${name} type veth peer name other7`);
    const before7 = seePair();
    await assert.rejects(links.addNextHopLink(shareSpec()), { code: "FW3007" });
    assert.deepEqual(seePair(), before7);
    ip(`link delete ${name}`);
  });
}

for (const [what, changes] of [
  // Longer than IFALIASZ (256) of the kernel.
  ["an alias that is too long", { alias: `fairway:${"x".repeat(300)}` }],
  ["an address that nothing can lead to", { targets: [standIn4, parseIpAddress("ff02::1")] }],
  ["a gateway that no link can have", { gateways: [gateway4, parseIpAddress("ff02::1")] }],
] as const) {
  test(`a pair that cannot be finished, for ${what}, is deleted again`, async () => {
    await assert.rejects(links.addNextHopLink(shareSpec(changes)), (error) => isKernelError(error));
    assert.equal(seeLink("fwv7"), undefined);
    assert.equal(seeLink("fwc7"), undefined);
  });
}

test("a pair is one of ours, at home until its end moves", async () => {
  await using sandbox = await Sandbox.open();
  await links.addNextHopLink(shareSpec());
  const owned = { name: "fwv7", alias: "fairway:endpoint:7", kind: "veth" };
  assert.deepEqual(await links.listOwned(), [{ ...owned, peerIsHome: true }]);
  ip(`link set fwc7 netns ${sandbox.pid}`);
  assert.deepEqual(await links.listOwned(), [{ ...owned, peerIsHome: false }]);
  assert.equal(await links.foreignLink(ifName("fwv7")), undefined);
});

test("a name in the deletion queue can be used again at once", async () => {
  await links.addNextHopLink(shareSpec());
  links.deleteLater([ifName("fwv7")]);
  await links.addNextHopLink(shareSpec({ group: linkGroup }));
  await links.settled();
  assert.equal(seeLink("fwv7")?.group, String(linkGroup));
});

test("many pairs at the same time", async () => {
  const specs = Array.from({ length: 20 }, (_, index) =>
    shareSpec({
      host: ifName(`fwv1${index}`),
      sandbox: ifName(`fwc1${index}`),
      targets: [standInOf(100 + index, "ipv4"), standInOf(100 + index, "ipv6")],
    }),
  );
  await Promise.all(specs.map((spec) => links.addNextHopLink(spec)));
  assert.equal(ip("-4 route show proto 143").trim().split("\n").length, specs.length);
  links.deleteLater(specs.map(({ host }) => host));
  await links.settled();
});

test("a kernel that switches IPv6 off for new links switches it on for a pair that has it", async () => {
  sysctls.write(["net", "ipv6", "conf", "default", "disable_ipv6"], "1");
  try {
    await links.addNextHopLink(shareSpec());
    assert.equal(knob("ipv6/conf/fwv7/disable_ipv6"), "0");
    assert.match(ip("-6 route show proto 143"), new RegExp(`^${standIn6} `));
  } finally {
    sysctls.write(["net", "ipv6", "conf", "default", "disable_ipv6"], "0");
  }
});
