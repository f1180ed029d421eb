import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClaimConflict, PortClaim } from "../../../src/kernel/ports.ts";
import type { IpAddress } from "../../../src/model/ip.ts";
import type { OpenSubject } from "./subject.ts";

const claimOf = (text: string, ...addresses: readonly string[]): PortClaim => {
  const [protocol, ports = ""] = text.split(" ");
  const [first, last] = ports.split("-").map(Number);
  return {
    protocol: protocol as PortClaim["protocol"],
    addresses: (addresses.length === 0 ? ["0.0.0.0"] : addresses) as IpAddress[],
    first: first ?? 0,
    last: last ?? first ?? 0,
  };
};

function asConflict(result: readonly number[] | ClaimConflict): Pick<ClaimConflict, "address" | "errno"> | undefined {
  if ("errno" in result) {
    return { address: result.address, errno: result.errno };
  }
  return undefined;
}

/** What claims of host ports do, whoever holds them. */
export function hostPortsContract(open: OpenSubject): void {
  describe("host ports", () => {
    test("a claim holds its ports against other owners until it is released", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      assert.deepEqual(await hostPorts.claim("a", [claimOf("tcp 8080"), claimOf("udp 8080")]), [8080, 8080]);
      const refused = { address: "0.0.0.0", errno: "EADDRINUSE" };
      assert.deepEqual(asConflict(await hostPorts.claim("b", [claimOf("tcp 8080")])), refused);
      await hostPorts.release("a");
      await hostPorts.release("a");
      assert.deepEqual(await hostPorts.claim("b", [claimOf("tcp 8080")]), [8080]);
    });

    test("a claim is all or nothing, and the conflict names what stands in the way", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      await hostPorts.claim("a", [claimOf("tcp 8081", "127.0.0.1")]);
      const result = await hostPorts.claim("b", [claimOf("tcp 8080"), claimOf("tcp 8081"), claimOf("tcp 8082")]);
      assert.ok("errno" in result);
      assert.deepEqual([result.address, result.port, result.claim.first], ["0.0.0.0", 8081, 8081]);
      const others = [claimOf("tcp 8080"), claimOf("tcp 8082")];
      assert.deepEqual(await hostPorts.claim("c", others), [8080, 8082]);
    });

    test("the families never meet, one address of a family and all of it do", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      await hostPorts.claim("a", [claimOf("tcp 8080", "0.0.0.0")]);
      assert.deepEqual(await hostPorts.claim("b", [claimOf("tcp 8080", "::1")]), [8080]);
      const refused = { address: "::", errno: "EADDRINUSE" };
      assert.deepEqual(asConflict(await hostPorts.claim("c", [claimOf("tcp 8080", "::")])), refused);
      assert.equal(asConflict(await hostPorts.claim("d", [claimOf("tcp 8080", "127.0.0.1")]))?.errno, "EADDRINUSE");
    });

    test("different addresses of a family share a port", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      await hostPorts.claim("a", [claimOf("udp 53", "127.0.0.1")]);
      assert.deepEqual(await hostPorts.claim("b", [claimOf("udp 53", "127.0.0.2")]), [53]);
    });

    test("of a range the first port is chosen that is free at every address", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      await hostPorts.claim("a", [claimOf("tcp 7000"), claimOf("tcp 7001", "::1")]);
      assert.deepEqual(await hostPorts.claim("b", [claimOf("tcp 7000-7003", "0.0.0.0", "::")]), [7002]);
      assert.deepEqual(await hostPorts.claim("c", [claimOf("tcp 7000-7002", "127.0.0.1")]), [7001]);
      assert.ok("errno" in (await hostPorts.claim("d", [claimOf("tcp 7000-7001", "127.0.0.1")])));
    });

    test("a free port is the same at every address", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      const result = await hostPorts.claim("a", [claimOf("tcp 0", "0.0.0.0", "::"), claimOf("tcp 0", "0.0.0.0", "::")]);
      assert.ok(!("errno" in result));
      assert.ok(result.every((port) => port > 0) && result[0] !== result[1]);
    });

    test("an address that is not the host's is EADDRNOTAVAIL", async () => {
      await using subject = await open();
      const claim = claimOf("tcp 8080", "203.0.113.9");
      const refused = { address: "203.0.113.9", errno: "EADDRNOTAVAIL" };
      assert.deepEqual(asConflict(await subject.kernel.hostPorts.claim("a", [claim])), refused);
    });

    test("claims of an owner add up and go together", async () => {
      await using subject = await open();
      const { hostPorts } = subject.kernel;
      await hostPorts.claim("a", [claimOf("tcp 8080")]);
      await hostPorts.claim("a", [claimOf("tcp 8081")]);
      assert.ok("errno" in (await hostPorts.claim("a", [claimOf("tcp 8080")])));
      await hostPorts.release("a");
      assert.deepEqual(await hostPorts.claim("b", [claimOf("tcp 8080"), claimOf("tcp 8081")]), [8080, 8081]);
    });
  });
}
