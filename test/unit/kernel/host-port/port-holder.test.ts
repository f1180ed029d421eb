import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSocketLine } from "../../../../src/kernel/host-port/port-holder.ts";

test("a line of /proc/net/tcp", () => {
  const line =
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71236 1 0000000000000000 100 0 0 10 0";
  assert.deepEqual(parseSocketLine(line, "ipv4"), { family: "ipv4", address: "127.0.0.1", port: 8080, inode: 71236 });
});

test("a line of /proc/net/udp6", () => {
  const line =
    "  812: 000080FE00000000FF005450B6AE5AFE:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   998        0 2214 2 0000000000000000 0";
  assert.deepEqual(parseSocketLine(line, "ipv6"), {
    family: "ipv6",
    address: "fe80::5054:ff:fe5a:aeb6",
    port: 546,
    inode: 2214,
  });
});

test("an IPv4 socket in the IPv6 list", () => {
  const line = " 1: 0000000000000000FFFF00000100007F:0050 0:0 0A 0:0 0:0 0 0 0 55 1";
  assert.deepEqual(parseSocketLine(line, "ipv6"), { family: "ipv6", address: "127.0.0.1", port: 80, inode: 55 });
});

test("what is no socket line is nothing", () => {
  for (const line of [
    "",
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
  ]) {
    assert.equal(parseSocketLine(line, "ipv4"), undefined);
  }
});
