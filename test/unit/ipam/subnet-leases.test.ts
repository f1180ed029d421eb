import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { coolDownMs, isUsable, SubnetLeases } from "../../../src/ipam/subnet-leases.ts";
import { type IpAddress, parsePrefix } from "../../../src/model/ip.ts";
import type { Lease } from "../../../src/model/pool.ts";
import { ip } from "../../fakes/requests.ts";

const poolId = "p";

function leasesOf(subnet: string, range?: string, leases: readonly Lease[] = []): SubnetLeases {
  const pool = { kind: "subnet", id: poolId, subnet: parsePrefix(subnet) } as const;
  return new SubnetLeases(range === undefined ? pool : { ...pool, range: parsePrefix(range) }, leases);
}

function lease(address: string, more: Partial<Lease> = {}): Lease {
  return { poolId, address: ip(address), use: "container", ...more };
}

/** Takes what is chosen, until nothing is left or `most` are taken. */
function takeAll(leases: SubnetLeases, most = 20): IpAddress[] {
  const taken: IpAddress[] = [];
  for (let address = leases.choose(undefined, 0); address !== undefined && taken.length < most; ) {
    taken.push(address);
    leases.put(lease(address));
    address = leases.choose(undefined, 0);
  }
  return taken;
}

describe("which addresses a subnet has to offer", () => {
  const subnets: [string, string | undefined, string[]][] = [
    ["10.88.0.0/29", undefined, ["10.88.0.1", "10.88.0.2", "10.88.0.3", "10.88.0.4", "10.88.0.5", "10.88.0.6"]],
    ["10.88.0.0/30", undefined, ["10.88.0.1", "10.88.0.2"]],
    ["10.88.0.0/31", undefined, ["10.88.0.0", "10.88.0.1"]],
    ["10.88.0.0/24", "10.88.0.128/31", ["10.88.0.128", "10.88.0.129"]],
    ["10.88.0.0/24", "10.88.0.0/30", ["10.88.0.1", "10.88.0.2", "10.88.0.3"]],
    ["10.88.0.0/24", "10.88.0.252/30", ["10.88.0.252", "10.88.0.253", "10.88.0.254"]],
    ["10.88.0.0/24", "10.88.0.9/32", ["10.88.0.9"]],
    ["fd00:88::/126", undefined, ["fd00:88::1", "fd00:88::2", "fd00:88::3"]],
    ["fd00:88::/127", undefined, ["fd00:88::", "fd00:88::1"]],
    ["fd00:88::/64", "fd00:88::fffe/127", ["fd00:88::fffe", "fd00:88::ffff"]],
  ];
  for (const [subnet, range, addresses] of subnets) {
    test(`${subnet}${range === undefined ? "" : ` with the range ${range}`}: all of them, each once, in order`, () => {
      assert.deepEqual(takeAll(leasesOf(subnet, range)), addresses);
    });
  }

  test("of a large one as many as wanted, without counting them all first", () => {
    assert.equal(takeAll(leasesOf("fd00:88::/64"), 20).at(-1), "fd00:88::14");
  });

  const claims: [string, string, boolean][] = [
    ["10.88.0.0/24", "10.88.0.1", true],
    ["10.88.0.0/24", "10.88.0.254", true],
    ["10.88.0.0/24", "10.88.0.0", false],
    ["10.88.0.0/24", "10.88.0.255", false],
    ["10.88.0.0/24", "10.88.1.1", false],
    ["10.88.0.0/31", "10.88.0.0", true],
    ["10.88.0.0/24", "fd00:88::1", false],
    ["fd00:88::/64", "fd00:88::", false],
    ["fd00:88::/64", "fd00:88::ffff:ffff:ffff:ffff", true],
    ["fd00:88::/64", "fd00:89::1", false],
    // The same number as 10.88.0.1.
    ["::/1", "10.88.0.1", false],
  ];
  for (const [subnet, address, usable] of claims) {
    test(`${address} ${usable ? "can" : "cannot"} be asked for in ${subnet}`, () => {
      assert.equal(isUsable(parsePrefix(subnet), ip(address)), usable);
    });
  }
});

describe("which address comes next", () => {
  const now = 10_000_000;
  const released = (address: string, agoMs: number, holder?: string): Lease =>
    lease(address, { releasedAtMs: now - agoMs, ...(holder === undefined ? {} : { holder }) });

  test("the holder's own former one, however short ago, even when it is not the oldest", () => {
    const leases = leasesOf("10.88.0.0/24", undefined, [
      released("10.88.0.2", 2 * coolDownMs, "other"),
      released("10.88.0.3", 1, "web"),
    ]);
    assert.equal(leases.choose("web", now), "10.88.0.3");
    leases.put(lease("10.88.0.3", { holder: "web" }));
    assert.equal(leases.choose("web", now), "10.88.0.2", "held meanwhile, by a namesake");
  });

  test("one that has rested; a new one while none has", () => {
    const leases = leasesOf("10.88.0.0/24", undefined, [lease("10.88.0.1"), released("10.88.0.2", coolDownMs - 1)]);
    assert.equal(leases.choose("db", now), "10.88.0.3");
    assert.equal(leases.choose("db", now + 1), "10.88.0.2");
  });

  test("of several that have rested, the one that has for longest, in whatever order they were stored", () => {
    const leases = leasesOf("10.88.0.0/24", undefined, [
      released("10.88.0.2", 2 * coolDownMs),
      released("10.88.0.3", 4 * coolDownMs),
      released("10.88.0.4", 3 * coolDownMs),
    ]);
    assert.equal(leases.choose(undefined, now), "10.88.0.3");
  });

  test("when no new one is left, the one that rests longest, tired or not", () => {
    const leases = leasesOf("10.88.0.0/29", "10.88.0.2/31", [released("10.88.0.3", 5), released("10.88.0.2", 1)]);
    assert.equal(leases.choose(undefined, now), "10.88.0.3");
  });

  test("never one outside the range, whoever had it", () => {
    const leases = leasesOf("10.88.0.0/24", "10.88.0.8/32", [released("10.88.0.77", 2 * coolDownMs, "web")]);
    assert.equal(leases.choose("web", now), "10.88.0.8");
    leases.put(lease("10.88.0.8"));
    assert.equal(leases.choose("web", now), undefined);
  });

  test("after a release it is known what was held and what rests", () => {
    const leases = leasesOf("10.88.0.0/24", undefined, [lease("10.88.0.2", { holder: "web" })]);
    assert.equal(leases.isHeld(ip("10.88.0.2")), true);
    leases.put(released("10.88.0.2", 0, "web"));
    assert.equal(leases.isHeld(ip("10.88.0.2")), false);
    assert.deepEqual(leases.held(), []);
    assert.equal(leases.leaseAt(ip("10.88.0.2"))?.releasedAtMs, now);
    leases.delete(ip("10.88.0.2"));
    assert.equal(leases.leaseAt(ip("10.88.0.2")), undefined);
    assert.equal(leases.choose("web", now), "10.88.0.1", "its holder is forgotten, too");
  });
});
