import assert from "node:assert/strict";
import { test } from "node:test";
import { deleteFlow, deleteMatching, parseFlow } from "../../../../src/kernel/conntrack/codec.ts";
import { matcherOf, needsLocal, patternsOf } from "../../../../src/kernel/conntrack/matching.ts";
import { parseMessages } from "../../../../src/kernel/netlink/message.ts";
import type { FlowFilter } from "../../../../src/kernel/ports.ts";
import { type IpAddress, parseIpAddress } from "../../../../src/model/ip.ts";

/** UDP 10.0.0.5:5 -> 10.0.0.6:53 in zone 7, as Linux 6.18 lists it (mark, timeout and the like left out). */
const entry = Buffer.from(
  [
    "00000000000100000000000000000000" + "02000000",
    "34000180" +
      "14000180080001000a00000508000200" +
      "0a000006" +
      "1c00028005000100110000000600020000050000" +
      "0600030000350000",
    "34000280" +
      "14000180080001000a00000608000200" +
      "0a000005" +
      "1c00028005000100110000000600020000350000" +
      "0600030000050000",
    "06001200000700" + "00",
    "08000c009a086e3c",
  ].join(""),
  "hex",
);

const any = parseIpAddress("0.0.0.0");
const local = ["127.0.0.1", "10.0.0.6", "fd00::1"].map((text) => parseIpAddress(text));

function hostPort(address: IpAddress, first: number, last = first): FlowFilter {
  return { kind: "hostPort", protocol: "udp", address, first, last };
}

test("an entry is parsed, and deleted by tuple, zone and id", () => {
  const flow = parseFlow(entry);
  assert.ok(flow !== undefined);
  assert.equal(flow.original.destinationPort, 53);
  assert.equal(flow.reply.source.toString("hex"), "0a000006");
  const [message] = parseMessages(deleteFlow(flow));
  assert.equal(message?.type, 0x102);
  // All of the entry but the reply's tuple.
  const all = entry.subarray(16).toString("hex");
  assert.equal(message?.payload.toString("hex"), all.slice(0, 8 + 0x34 * 2) + all.slice(8 + 0x34 * 4));
});

test("what has no addresses is no flow", () => {
  assert.equal(parseFlow(entry.subarray(0, 20)), undefined);
});

test("filters match by address, by port, and by nothing else", () => {
  const flow = parseFlow(entry);
  assert.ok(flow !== undefined);
  const matches = (filter: FlowFilter): boolean => matcherOf([filter], local)(flow);
  assert.ok(matches({ kind: "address", address: parseIpAddress("10.0.0.5") }));
  assert.ok(matches({ kind: "address", address: parseIpAddress("10.0.0.6") }));
  assert.ok(!matches({ kind: "address", address: parseIpAddress("10.0.0.7") }));
  assert.ok(matches(hostPort(any, 50, 53)));
  assert.ok(matches(hostPort(parseIpAddress("10.0.0.6"), 53)));
  assert.ok(!matches(hostPort(parseIpAddress("10.0.0.5"), 53)));
  assert.ok(!matches(hostPort(any, 54, 60)));
  assert.ok(!matches({ kind: "hostPort", protocol: "tcp", address: any, first: 53, last: 53 }));
  assert.ok(!matches(hostPort(parseIpAddress("::"), 53)));
  assert.ok(!matcherOf([hostPort(any, 53)], [])(flow), "a flow to elsewhere");
});

test("few filters become searches, many do not", () => {
  const address: FlowFilter = { kind: "address", address: parseIpAddress("10.0.0.5") };
  assert.equal(patternsOf([address], local, 16)?.length, 4);
  assert.equal(patternsOf([hostPort(any, 1, 4)], local, 16)?.length, 8);
  assert.equal(patternsOf([hostPort(any, 1, 9)], local, 16), undefined);
  assert.equal(patternsOf([hostPort(parseIpAddress("10.0.0.9"), 1, 65_535)], local, 16), undefined);
  assert.deepEqual(patternsOf([hostPort(any, 1)], [], 16), []);
});

test("a search always carries a tuple: without one, old kernels would delete everything", () => {
  for (const pattern of patternsOf([{ kind: "address", address: any }, hostPort(any, 1)], local, 16) ?? []) {
    const [message] = parseMessages(deleteMatching(pattern));
    assert.ok((message?.payload.readUInt16LE(4) ?? 0) > 4);
    assert.ok([0x8001, 0x8002].includes(message?.payload.readUInt16LE(6) ?? 0));
  }
});

test("the host's addresses are asked for only where they count: a host may have thousands", () => {
  assert.equal(needsLocal([{ kind: "address", address: any }]), false);
  assert.equal(needsLocal([hostPort(parseIpAddress("10.0.0.9"), 1)]), false);
  assert.equal(needsLocal([{ kind: "address", address: parseIpAddress("10.0.0.5") }, hostPort(any, 1)]), true);
});
