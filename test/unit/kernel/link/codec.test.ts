/** Bytes compared, attribute by attribute, with what ip(8) of iproute2 6.1 sends for the command in the test's name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as codec from "../../../../src/kernel/link/codec.ts";
import * as routeCodec from "../../../../src/kernel/link/route-codec.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";

const bridgeMac = parseMac("02:11:22:33:44:55");
const linkHeader = "00000000 00000000 00000000 00000000";

function hex(...parts: readonly string[]): string {
  return parts.join("").replaceAll(" ", "");
}

function assertBytes(actual: Buffer, ...expected: readonly string[]): void {
  assert.equal(actual.toString("hex"), hex(...expected));
}

test("ip link add fwb0 address … group … type bridge forward_delay 0 stp_state 0 mcast_snooping 0", () => {
  assertBytes(
    codec.createBridge({ name: "fwb0", mac: bridgeMac, group: 0xfa17 }),
    "6c000000 1000 0506 00000000 00000000",
    linkHeader,
    "0900 0300 66776230 00000000",
    "0a00 0100 021122334455 0000",
    "0800 1b00 17fa0000",
    "2c00 1280",
    "0a00 0100 627269646765 0000",
    "1c00 0280 0800 0100 00000000 0800 0500 00000000 0500 1700 00000000",
  );
});

test("ip link add fwv0 address … mtu … group … master fwb0 type veth peer name fwc0 address … mtu …", () => {
  assertBytes(
    codec.createVeth({
      host: { name: "fwv0", mac: parseMac("02:aa:bb:cc:dd:ee") },
      sandbox: { name: "fwc0", mac: parseMac("02:00:00:00:00:01") },
      mtu: 1400,
      group: 0xfa17,
      bridgeIndex: 2,
    }),
    "94000000 1000 0506 00000000 00000000",
    linkHeader,
    "0900 0300 66777630 00000000",
    "0a00 0100 02aabbccddee 0000",
    "0800 0400 78050000",
    "0800 1b00 17fa0000",
    "0800 0a00 02000000",
    "4400 1280",
    "0800 0100 76657468",
    "3800 0280 3400 0180",
    linkHeader,
    "0900 0300 66776330 00000000",
    "0a00 0100 020000000001 0000",
    "0800 0400 78050000",
  );
});

test("ip link set fwv0 type bridge_slave hairpin on isolated on; ip link set fwv0 alias … addrgenmode none up", () => {
  assertBytes(
    codec.activatePort({ name: "fwv0", alias: "fairway:e", isolated: true, ipv6: true }),
    "70000000 1000 0500 00000000 00000000",
    "00000000 00000000 01000000 01000000",
    "0900 0300 66777630 00000000",
    "0e00 1400 666169727761793a6500 0000",
    "2400 1280",
    "0a00 0400 627269646765 0000",
    "1400 0580 0500 0400 01000000 0500 2100 01000000",
    "1000 1a80 0c00 0a80 0500 0800 01000000",
  );
});

test("a port without isolation, on a kernel without IPv6", () => {
  assertBytes(
    codec.activatePort({ name: "fwv0", alias: "fairway:e", isolated: false, ipv6: false }),
    "60000000 1000 0500 00000000 00000000",
    "00000000 00000000 01000000 01000000",
    "0900 0300 66777630 00000000",
    "0e00 1400 666169727761793a6500 0000",
    "2400 1280",
    "0a00 0400 627269646765 0000",
    "1400 0580 0500 0400 01000000 0500 2100 00000000",
  );
});

test("ip link set fwb0 address … mtu … group … alias …, and route_localnet", () => {
  assertBytes(
    codec.configureBridge({ index: 2, mac: bridgeMac, mtu: 1400, group: 0xfa17, alias: "fairway:n" }),
    "60000000 1300 0500 00000000 00000000",
    "00000000 02000000 00000000 00000000",
    "0a00 0100 021122334455 0000",
    "0800 0400 78050000",
    "0800 1b00 17fa0000",
    "0e00 1400 666169727761793a6e00 0000",
    "1400 1a80 1000 0280 0c00 0180 0800 1a00 01000000",
  );
});

test("ip addr add 10.9.0.1/24 broadcast 10.9.0.255 dev fwb0", () => {
  assertBytes(
    codec.addAddress(2, parseInterfaceAddress("10.9.0.1/24")),
    "30000000 1400 0506 00000000 00000000",
    "02 18 00 00 02000000",
    "0800 0200 0a090001 0800 0100 0a090001 0800 0400 0a0900ff",
  );
});

for (const length of [31, 32]) {
  test(`a prefix of ${length} bits has no broadcast address`, () => {
    const message = codec.addAddress(2, parseInterfaceAddress(`10.9.0.1/${length}`));
    assert.equal(message.length, codec.addAddress(2, parseInterfaceAddress("10.9.0.1/30")).length - 8);
  });
}

test("ip addr add fd00:9::1/64 nodad dev fwb0", () => {
  const address = "fd000009 00000000 00000000 00000001";
  assertBytes(
    codec.addAddress(2, parseInterfaceAddress("fd00:9::1/64")),
    "48000000 1400 0506 00000000 00000000",
    "0a 40 00 00 02000000",
    `1400 0200 ${address} 1400 0100 ${address}`,
    "0800 0800 02000000",
  );
});

test("ip addr add 169.254.80.1/32 scope link dev fwv0", () => {
  assertBytes(
    codec.addLinkAddress(3, parseInterfaceAddress("169.254.80.1/32")),
    "28000000 1400 0506 00000000 00000000",
    "02 20 00 fd 03000000",
    "0800 0200 a9fe5001 0800 0100 a9fe5001",
  );
});

test("ip link set fwv0 alias … addrgenmode none up, and rp_filter, accept_local and route_localnet", () => {
  const settings = "1c00 0180 0800 0800 00000000 0800 1700 01000000 0800 1a00 01000000";
  assertBytes(
    codec.activateNextHop({ index: 3, alias: "fairway:e", ipv6: true }),
    "60000000 1300 0500 00000000 00000000",
    "00000000 03000000 01000000 01000000",
    "0e00 1400 666169727761793a6500 0000",
    `3000 1a80 2000 0280 ${settings} 0c00 0a80 0500 0800 01000000`,
  );
  assertBytes(
    codec.activateNextHop({ index: 3, alias: "fairway:e", ipv6: false }),
    "54000000 1300 0500 00000000 00000000",
    "00000000 03000000 01000000 01000000",
    "0e00 1400 666169727761793a6500 0000",
    `2400 1a80 2000 0280 ${settings}`,
  );
});

test("an interface inside a sandbox: alias, rp_filter and accept_local; its state stays the engine's", () => {
  const settings = "1c00 1a80 1800 0280 1400 0180 0800 0800 00000000 0800 1700 01000000";
  assertBytes(
    codec.configureFurnished({ index: 7, group: 0xfa1a, note: "80/tcp=20017" }),
    "58000000 1300 0500 00000000 00000000",
    "00000000 07000000 00000000 00000000",
    "0800 1b00 1afa0000",
    "1100 1400 38302f7463703d323030313700 000000",
    settings,
  );
  assertBytes(
    codec.configureFurnished({ index: 7, group: 0xfa1a, note: "" }),
    "4c000000 1300 0500 00000000 00000000",
    "00000000 07000000 00000000 00000000",
    "0800 1b00 1afa0000",
    "0500 1400 00000000",
    settings,
  );
});

test("ip link set fwv0 group …; ip link delete group …", () => {
  assertBytes(
    codec.setLinkGroup("fwv0", 0xfa18),
    "34000000 1300 0500 00000000 00000000",
    linkHeader,
    "0900 0300 66777630 00000000",
    "0800 1b00 18fa0000",
  );
  assertBytes(codec.deleteLinkGroup(0xfa18), "28000000 1100 0500 00000000 00000000", linkHeader, "0800 1b00 18fa0000");
});

test("ip link show fwb0", () => {
  assertBytes(
    codec.getLink("fwb0"),
    "34000000 1200 0500 00000000 00000000",
    linkHeader,
    "0900 0300 66776230 00000000",
    "0800 1d00 08000000",
  );
});

test("ip -6 route show table all", () => {
  assertBytes(routeCodec.dumpRoutes("ipv6"), "1c000000 1a00 0103 00000000 00000000", "0a000000 00000000 00000000");
});

test("ip link set … alias … addrgenmode none up, for a pair of a flat address", () => {
  assertBytes(
    codec.activateFlat({ index: 3, alias: "fairway:e", ipv6: true }),
    "40000000 1300 0500 00000000 00000000",
    "00000000 03000000 01000000 01000000",
    "0e00 1400 666169727761793a6500 0000",
    "1000 1a80 0c00 0a80 0500 0800 01000000",
  );
});

test("the same on a kernel without IPv6", () => {
  assertBytes(
    codec.activateFlat({ index: 3, alias: "fairway:e", ipv6: false }),
    "30000000 1300 0500 00000000 00000000",
    "00000000 03000000 01000000 01000000",
    "0e00 1400 666169727761793a6500 0000",
  );
});

test("ip link set fwv0 down", () => {
  assertBytes(
    codec.setLinkDown("fwv0"),
    "2c000000 1300 0500 00000000 00000000",
    "00000000 00000000 00000000 01000000",
    "0900 0300 66777630 00000000",
  );
});
