import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSockaddr, portOf, sockaddrEncoder } from "../../../../src/kernel/host-port/sockaddr.ts";
import { parseIpAddress } from "../../../../src/model/ip.ts";

test("sockaddr_in and sockaddr_in6 have the port in network order", () => {
  assert.equal(encodeSockaddr(parseIpAddress("10.0.0.1"), 8080).toString("hex"), "02001f900a0000010000000000000000");
  assert.equal(
    encodeSockaddr(parseIpAddress("fd00::1"), 443).toString("hex"),
    "0a0001bb00000000fd00000000000000000000000000000100000000",
  );
});

test("the encoder gives what encodeSockaddr gives", () => {
  const encode = sockaddrEncoder();
  for (const text of ["::", "0.0.0.0", "::"]) {
    for (const port of [0, 1, 65535]) {
      const address = parseIpAddress(text);
      const encoded = encode(address, port);
      assert.deepEqual(encoded, encodeSockaddr(address, port));
      assert.equal(portOf(encoded), port);
    }
  }
});
