/**
 * Bytes compared, attribute by attribute, with what ip(8) of iproute2 6.1 sends for the command in the test's name.
 * Ours differ in that the table is always an attribute.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as codec from "../../../../src/kernel/link/route-codec.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import { ip } from "../../../fakes/requests.ts";

const table = 0xfa_5001;
const fwAddress6 = "fd666169 72776179 00000000 00340713";
const hostAddress6 = "20010db8 00000000 00000000 00000010";
const gateway6 = "fe800000 00000000 0000fa17 00000001";

function assertBytes(actual: Buffer, ...expected: readonly string[]): void {
  assert.equal(actual.toString("hex"), expected.join("").replaceAll(" ", ""));
}

test("ip route replace 240.52.7.19 via 240.52.7.19 dev … onlink proto 143", () => {
  const standIn = ip("240.52.7.19");
  assertBytes(
    codec.addRoute({ destination: standIn, gateway: standIn, index: 3 }),
    "3c000000 1800 0505 00000000 00000000",
    "02 20 00 00 fe 8f 00 01 04000000",
    "0800 0100 f0340713 0800 0500 f0340713 0800 0400 03000000 0800 0f00 fe000000",
  );
});

test("ip -6 route replace fd66:…:34:713 via fd66:…:34:713 dev … onlink proto 143", () => {
  const standIn = ip("fd66:6169:7277:6179::34:713");
  assertBytes(
    codec.addRoute({ destination: standIn, gateway: standIn, index: 3 }),
    "54000000 1800 0505 00000000 00000000",
    "0a 80 00 00 fe 8f 00 01 04000000",
    `1400 0100 ${fwAddress6} 1400 0500 ${fwAddress6} 0800 0400 03000000 0800 0f00 fe000000`,
  );
});

test("ip route replace default via 169.254.80.1 dev … onlink proto 143 table 16404481", () => {
  assertBytes(
    codec.addRoute({ destination: "ipv4", gateway: ip("169.254.80.1"), index: 3, table }),
    "34000000 1800 0505 00000000 00000000",
    "02 00 00 00 00 8f 00 01 04000000",
    "0800 0500 a9fe5001 0800 0400 03000000 0800 0f00 0150fa00",
  );
});

test("ip -6 route replace default via fe80::fa17:0:1 dev … onlink proto 143 table 16404481", () => {
  assertBytes(
    codec.addRoute({ destination: "ipv6", gateway: ip("fe80::fa17:0:1"), index: 3, table }),
    "40000000 1800 0505 00000000 00000000",
    "0a 00 00 00 00 8f 00 01 04000000",
    `1400 0500 ${gateway6} 0800 0400 03000000 0800 0f00 0150fa00`,
  );
});

test("ip neigh replace … lladdr … dev … nud permanent", () => {
  const mac = parseMac("02:11:22:33:44:55");
  assertBytes(
    codec.addNeighbour({ address: ip("169.254.80.1"), mac, index: 3 }),
    "30000000 1c00 0505 00000000 00000000",
    "02 00 0000 03000000 8000 00 00",
    "0800 0100 a9fe5001 0a00 0200 021122334455 0000",
  );
  assertBytes(
    codec.addNeighbour({ address: ip("fe80::fa17:0:1"), mac, index: 3 }),
    "3c000000 1c00 0505 00000000 00000000",
    "0a 00 0000 03000000 8000 00 00",
    `1400 0100 ${gateway6} 0a00 0200 021122334455 0000`,
  );
});

test("ip rule add pref 1 to 192.0.2.10 iif lo table 16404481", () => {
  assertBytes(
    codec.addRule({ family: "ipv4", preference: 1, table, to: ip("192.0.2.10"), input: "lo" }),
    "3c000000 2000 0506 00000000 00000000",
    "02 20 00 00 00 00 00 01 00000000",
    "0800 0100 c000020a 0700 0300 6c6f00 00 0800 0600 01000000 0800 0f00 0150fa00",
  );
});

test("ip -6 rule add pref 1 to 2001:db8::10 iif lo table 16404481", () => {
  assertBytes(
    codec.addRule({ family: "ipv6", preference: 1, table, to: ip("2001:db8::10"), input: "lo" }),
    "48000000 2000 0506 00000000 00000000",
    "0a 80 00 00 00 00 00 01 00000000",
    `1400 0100 ${hostAddress6} 0700 0300 6c6f00 00 0800 0600 01000000 0800 0f00 0150fa00`,
  );
});

test("ip rule add pref 20 from 192.0.2.10 table 16404481", () => {
  assertBytes(
    codec.addRule({ family: "ipv4", preference: 20, table, from: ip("192.0.2.10") }),
    "34000000 2000 0506 00000000 00000000",
    "02 00 20 00 00 00 00 01 00000000",
    "0800 0200 c000020a 0800 0600 14000000 0800 0f00 0150fa00",
  );
});

test("ip rule add pref 20 from 192.0.2.10 table main suppress_ifgroup 0", () => {
  assertBytes(
    codec.addRule({ family: "ipv4", preference: 20, table: 254, from: ip("192.0.2.10"), exceptGroup: 0 }),
    "3c000000 2000 0506 00000000 00000000",
    "02 00 20 00 fe 00 00 01 00000000",
    "0800 0200 c000020a 0800 0600 14000000 0800 0d00 00000000 0800 0f00 fe000000",
  );
});

test("ip rule add pref 10 table local; ip rule delete pref 0 table local", () => {
  const header = "02 00 00 00 ff 00 00 01 00000000";
  assertBytes(
    codec.addRule({ family: "ipv4", preference: 10, table: 255 }),
    "2c000000 2000 0506 00000000 00000000",
    header,
    "0800 0600 0a000000 0800 0f00 ff000000",
  );
  // Neither creates nor replaces anything.
  assertBytes(
    codec.deleteRule({ family: "ipv4", preference: 0, table: 255 }),
    "2c000000 2100 0500 00000000 00000000",
    header,
    "0800 0600 00000000 0800 0f00 ff000000",
  );
});

test("ip -6 route append local ::1 dev … table local proto static metric 2048", () => {
  assertBytes(
    codec.addLoopbackRoute(2),
    "40000000 1800 050c 00000000 00000000",
    "0a 80 00 00 ff 04 00 02 00000000",
    "1400 0100 00000000 00000000 00000000 00000001 0800 0400 02000000 0800 0600 00080000",
  );
});

test("ip route add 10.20.0.2 dev … scope global proto 143 metric 9910", () => {
  assertBytes(
    codec.addFlatRoute({ destination: parsePrefix("10.20.0.2/32"), metric: 9910, index: 3 }),
    "34000000 1800 0506 00000000 00000000",
    "02 20 00 00 fe 8f 00 01 00000000",
    "0800 0100 0a140002 0800 0600 b6260000 0800 0400 03000000",
  );
});

test("ip -6 route add fd00:20::2 dev … proto 143 metric 9900: without a scope", () => {
  assertBytes(
    codec.addFlatRoute({ destination: parsePrefix("fd00:20::2/128"), metric: 9900, index: 3 }),
    "40000000 1800 0506 00000000 00000000",
    "0a 80 00 00 fe 8f 00 01 00000000",
    "1400 0100 fd000020 00000000 00000000 00000002 0800 0600 ac260000 0800 0400 03000000",
  );
});

test("ip route add unreachable 10.20.0.0/24 proto 143 metric 9900", () => {
  assertBytes(
    codec.addFlatRoute({ destination: parsePrefix("10.20.0.0/24"), metric: 9900 }),
    "2c000000 1800 0506 00000000 00000000",
    "02 18 00 00 fe 8f 00 07 00000000",
    "0800 0100 0a140000 0800 0600 ac260000",
  );
});

test("ip route del 10.20.0.2 dev … scope global proto 143 metric 9910", () => {
  assertBytes(
    codec.deleteFlatRoute({ destination: parsePrefix("10.20.0.2/32"), metric: 9910, index: 3 }),
    "34000000 1900 0500 00000000 00000000",
    "02 20 00 00 fe 8f 00 01 00000000",
    "0800 0100 0a140002 0800 0600 b6260000 0800 0400 03000000",
  );
});

test("ip -6 route del unreachable fd00:20::/64 proto 143 metric 9910", () => {
  assertBytes(
    codec.deleteFlatRoute({ destination: parsePrefix("fd00:20::/64"), metric: 9910 }),
    "38000000 1900 0500 00000000 00000000",
    "0a 40 00 00 fe 8f 00 07 00000000",
    "1400 0100 fd000020 00000000 00000000 00000000 0800 0600 b6260000",
  );
});
