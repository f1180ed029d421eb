/** Messages as kernel 6.18 sent them, or shortened where they say so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  describeLink,
  parseAddress,
  parseLink,
  parseLinkGone,
  parseOwnRoute,
  parseRoute,
} from "../../../../src/kernel/link/parse.ts";
import { message, nested, textAttribute, u32Attribute } from "../../../../src/kernel/netlink/message.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_LINK_NETNSID = 37;
const IFLA_NEW_NETNSID = 45;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;

test("a bridge with alias and group (shortened to what is read)", () => {
  const link = bytes(
    `6c000000 1000 0000 04000000 00000000 0000 0100 02000000 43100100 00000000 0a00 0100 021122334455 0000
     0900 0300 66776230 00000000 0800 0400 dc050000 0800 1b00 17fa0000 0e00 1400 666169727761793a6e00 0000
     1400 1200 0b00 0100 62726964676500 00 0400 0200`.replaceAll("\n", ""),
  );
  assert.deepEqual(parseLink(link), {
    index: 2,
    name: "fwb0",
    mac: "02:11:22:33:44:55",
    mtu: 1500,
    group: 0xfa17,
    alias: "fairway:n",
    kind: "bridge",
    peerIsHome: false,
    isUp: true,
  });
});

test("a hardware interface has neither alias nor kind", () => {
  const link = parseLink(message(RTM_NEWLINK, 0, Buffer.alloc(16), [textAttribute(IFLA_IFNAME, "eth0")]));
  assert.deepEqual(link, {
    index: 0,
    name: "eth0",
    mac: "",
    mtu: 0,
    group: 0,
    alias: "",
    kind: "",
    peerIsHome: false,
    isUp: false,
  });
  assert.equal(describeLink(link), "a hardware interface");
  assert.equal(describeLink({ ...link, kind: "veth", alias: "x\ny" }), 'a veth interface with the alias "x\\ny"');
});

test("the peer of a veth pair is at home unless the kernel says in which namespace it is; no other kind has one", () => {
  const parse = (kind: string, more: readonly Buffer[]): boolean => {
    const info = nested(IFLA_LINKINFO, [textAttribute(IFLA_INFO_KIND, kind)]);
    return parseLink(message(RTM_NEWLINK, 0, Buffer.alloc(16), [info, ...more])).peerIsHome;
  };
  const elsewhere = [u32Attribute(IFLA_LINK_NETNSID, 0)];
  assert.equal(parse("veth", []), true);
  assert.equal(parse("veth", elsewhere), false);
  assert.equal(parse("bridge", []), false);
  assert.equal(parse("vlan", elsewhere), false);
});

test("an IPv4 address with a peer is the local one", () => {
  const address = bytes(
    "50000000140002000100000000000000022080000200000008000100" +
      "0a090002080002000a090001090003006677623000000000080008008000000014000600ffffffffffffffff1bda03001bda0300",
  );
  assert.deepEqual(parseAddress(address), {
    linkIndex: 2,
    address: "10.9.0.1/32",
    scope: 0,
    flags: 0x80,
    isSecondary: false,
  });
});

test("an IPv6 address", () => {
  const address = bytes(
    "480000001400020001000000000000000a4082000200000014000100fd000009000000000000000000000001" +
      "14000600ffffffffffffffff1cda03001cda03000800080082000000",
  );
  assert.deepEqual(parseAddress(address), {
    linkIndex: 2,
    address: "fd00:9::1/64",
    scope: 0,
    flags: 0x82,
    isSecondary: false,
  });
});

const routes = {
  "default via 10.9.0.2 dev 2 metric 50": {
    hex: "3c00000018000200020000000000000002000000fe0300010000000008000f00fe0000000800060032000000080005000a0900020800040002000000",
    hops: [{ priority: 50, linkIndex: 2, onLink: false, protocol: 3 }],
  },
  "10.30.0.0/16 dev 2": {
    hex: "3400000018000200020000000000000002100000fe03fd010000000008000f00fe000000080001000a1e00000800040002000000",
    hops: [{ destination: "10.30.0.0/16", priority: 0, linkIndex: 2, onLink: true, protocol: 3 }],
  },
  "10.20.0.0/16 over two hops, one of them behind a gateway": {
    hex:
      "4800000018000200020000000000000002100000fe0300010000000008000f00fe000000080001000a1400001c000900" +
      "1000000002000000080005000a0900020800000001000000",
    hops: [
      { destination: "10.20.0.0/16", priority: 0, linkIndex: 2, onLink: false, protocol: 3 },
      { destination: "10.20.0.0/16", priority: 0, linkIndex: 1, onLink: true, protocol: 3 },
    ],
  },
  "fd00:9::/64 dev 2 metric 256": {
    hex:
      "740000001800020003000000000000000a400000fe0200010000000008000f00fe00000014000100fd00000900000000000000000000" +
      "0000080006000001000008000400020000" +
      "0024000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000",
    hops: [{ destination: "fd00:9::/64", priority: 256, linkIndex: 2, onLink: true, protocol: 2 }],
  },
  "unreachable 10.40.0.0/16": {
    hex: "2c00000018000200020000000000000002100000fe0300070000000008000f00fe000000080001000a280000",
    hops: [],
  },
  "10.50.0.0/16 dev 2 table 1000": {
    hex: "3400000018000200020000000000000002100000fc03fd010000000008000f00e8030000080001000a3200000800040002000000",
    hops: [],
  },
  "local 127.0.0.1 table local": {
    hex: "3c00000018000200020000000000000002200000ff02fe020000000008000f00ff000000080001007f000001080007007f0000010800040001000000",
    hops: [],
  },
} as const;

for (const [name, { hex, hops }] of Object.entries(routes)) {
  test(`route ${name}`, () => assert.deepEqual(parseRoute(bytes(hex)), hops));
}

test("a cloned route is none", () => {
  const cloned = bytes(routes["10.30.0.0/16 dev 2"].hex);
  cloned.writeUInt32LE(0x200, 16 + 8);
  assert.deepEqual(parseRoute(cloned), []);
});

test("a next hop list that ends early does not loop", () => {
  const broken = bytes(routes["10.20.0.0/16 over two hops, one of them behind a gateway"].hex);
  broken.writeUInt16LE(0, broken.indexOf(bytes("1000000002000000")));
  assert.equal(parseRoute(broken).length, 3);
});

function linkEvent(family: number, attributes: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family);
  return message(RTM_DELLINK, 0, header, attributes).subarray(16);
}

test("only a deleted link is gone", () => {
  const name = textAttribute(IFLA_IFNAME, "fwv0");
  assert.equal(parseLinkGone(RTM_DELLINK, linkEvent(0, [name])), "fwv0");
  assert.equal(parseLinkGone(RTM_NEWLINK, linkEvent(0, [name])), undefined, "a changed link");
  assert.equal(parseLinkGone(RTM_DELLINK, linkEvent(7, [name])), undefined, "a port that left its bridge");
  const moved = linkEvent(0, [name, u32Attribute(IFLA_NEW_NETNSID, 3)]);
  assert.equal(parseLinkGone(RTM_DELLINK, moved), undefined, "a link that moved to another namespace");
});

const cacheInfo = `24000c00 ${"00000000".repeat(8)} 05001400 00000000`;
const own: [string, string, ReturnType<typeof parseOwnRoute>][] = [
  [
    "10.20.0.2 dev fwv0 proto 143 scope link metric 9910",
    `3c000000 1800 0200 01000000 00000000 02200000 fe8ffd01 00000000
     0800 0f00 fe000000 0800 0100 0a140002 0800 0600 b6260000 0800 0400 03000000`,
    { destination: parsePrefix("10.20.0.2/32"), priority: 9910, linkIndex: 3 },
  ],
  [
    "unreachable 10.20.0.0/24 proto 143 metric 9900",
    `34000000 1800 0200 01000000 00000000 02180000 fe8f0007 00000000
     0800 0f00 fe000000 0800 0100 0a140000 0800 0600 ac260000`,
    { destination: parsePrefix("10.20.0.0/24"), priority: 9900 },
  ],
  [
    "fd00:20::2 dev fwv0 proto 143 metric 9900",
    `74000000 1800 0200 02000000 00000000 0a800000 fe8f0001 00000000
     0800 0f00 fe000000 1400 0100 fd000020 00000000 00000000 00000002
     0800 0600 ac260000 0800 0400 03000000 ${cacheInfo}`,
    { destination: parsePrefix("fd00:20::2/128"), priority: 9900, linkIndex: 3 },
  ],
  [
    "unreachable fd00:20::/64 dev lo proto 143 metric 9910",
    `74000000 1800 0200 02000000 00000000 0a400000 fe8f0007 00000000
     0800 0f00 fe000000 1400 0100 fd000020 00000000 00000000 00000000
     0800 0600 b6260000 0800 0400 01000000 ${cacheInfo}`,
    { destination: parsePrefix("fd00:20::/64"), priority: 9910 },
  ],
  [
    "240.0.0.1 via 240.0.0.1 dev fwv0 proto 143 onlink, of mode host",
    `3c000000 1800 0200 01000000 00000000 02200000 fe8f0001 04000000
     0800 0f00 fe000000 0800 0100 f0000001 0800 0500 f0000001 0800 0400 03000000`,
    undefined,
  ],
  [
    "unreachable 10.21.0.0/24 proto bird metric 9900",
    `34000000 1800 0200 01000000 00000000 02180000 fe0c0007 00000000
     0800 0f00 fe000000 0800 0100 0a150000 0800 0600 ac260000`,
    undefined,
  ],
  [
    "10.22.0.0/24 dev fwv0 proto 143 in table 7",
    `34000000 1800 0200 01000000 00000000 02180000 078ffd01 00000000
     0800 0f00 07000000 0800 0100 0a160000 0800 0400 03000000`,
    undefined,
  ],
  [
    "blackhole 10.23.0.0/24 proto 143",
    `2c000000 1800 0200 01000000 00000000 02180000 fe8f0006 00000000
     0800 0f00 fe000000 0800 0100 0a170000`,
    undefined,
  ],
];
for (const [name, hex, wanted] of own) {
  test(`${wanted === undefined ? "not ours" : "ours"}: ${name}`, () => {
    assert.deepEqual(parseOwnRoute(bytes(hex.replaceAll("\n", ""))), wanted);
  });
}

test("no route of ours is a default route", () => {
  const header = Buffer.from("02000000fe8f000100000000", "hex");
  assert.equal(parseOwnRoute(message(24, 0, header, [u32Attribute(4, 3)])), undefined);
});
