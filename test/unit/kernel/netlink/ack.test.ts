import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAck } from "../../../../src/kernel/netlink/ack.ts";
import { parseMessages } from "../../../../src/kernel/netlink/message.ts";

function ackOf(hex: string): ReturnType<typeof parseAck> {
  const [reply] = parseMessages(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  assert.ok(reply);
  return parseAck(reply);
}

// struct nlmsghdr with type and flags; then struct nlmsgerr.
const request = "20000000 1300 0500 07000000 00000000";
const text = "0900 0100 6f6f707300 000000";

test("success", () => {
  assert.deepEqual(ackOf(`24000000 0200 0001 07000000 00000000 00000000 ${request}`), { detail: "" });
});

test("a failure without words", () => {
  assert.deepEqual(ackOf(`24000000 0200 0001 07000000 00000000 edffffff ${request}`), { errno: "ENODEV", detail: "" });
});

test("a failure with the kernel's words behind the header of the request", () => {
  assert.deepEqual(ackOf(`30000000 0200 0003 07000000 00000000 eaffffff ${request} ${text}`), {
    errno: "EINVAL",
    detail: "oops",
  });
});

test("a failure with the kernel's words behind the whole request", () => {
  const body = "00000000 00000000 00000000 00000000";
  assert.deepEqual(ackOf(`40000000 0200 0002 07000000 00000000 eaffffff ${request} ${body} ${text}`), {
    errno: "EINVAL",
    detail: "oops",
  });
});

test("the end of a dump, good and bad", () => {
  assert.deepEqual(ackOf("14000000 0300 0200 07000000 00000000 00000000"), { detail: "" });
  assert.deepEqual(ackOf(`20000000 0300 0202 07000000 00000000 ffffffff ${text}`), { errno: "EPERM", detail: "oops" });
  assert.deepEqual(ackOf("10000000 0300 0200 07000000 00000000"), { detail: "" });
});
