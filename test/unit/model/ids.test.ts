import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FairwayError } from "../../../src/errors.ts";
import { isIfName, parseEndpointId, parseIfName, parseMac, parseNetworkId } from "../../../src/model/ids.ts";
import { deriveMac } from "../../../src/model/mac.ts";

const coded = (code: string) => (error: unknown) => error instanceof FairwayError && error.code === code;
const base36 = [..."0123456789abcdefghijklmnopqrstuvwxyz"];
const nameCharacters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"];

describe("engine ids", () => {
  test("of the engine and of swarm are taken as they are", () => {
    const id = fc.oneof(
      fc.string({ unit: fc.constantFrom(...base36.slice(0, 16)), minLength: 64, maxLength: 64 }),
      fc.string({ unit: fc.constantFrom(...base36), minLength: 25, maxLength: 25 }),
    );
    fc.assert(
      fc.property(id, (text) => {
        assert.equal(parseNetworkId(text), text);
        assert.equal(parseEndpointId(text), text);
      }),
    );
  });

  for (const text of ["", "abc", "../../../../etc/passwd", "A".repeat(64), "a".repeat(65), `${"a".repeat(64)}\n`]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseNetworkId(text), coded("FW5001"));
      assert.throws(() => parseEndpointId(text), coded("FW5001"));
    });
  }
});

describe("interface names", () => {
  /** As dev_valid_name() and devinet_sysctl_register() of the kernel judge, and stricter for our own sake. */
  function expected(text: string): boolean {
    const allowed = [...text].every((character) => nameCharacters.includes(character));
    return allowed && text.length > 0 && text.length <= 15 && !/^[.-]/.test(text) && !["all", "default"].includes(text);
  }

  test("are letters, digits, dots, dashes and underscores", () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom(...nameCharacters), maxLength: 17 }),
      fc.string({ unit: fc.constantFrom(...nameCharacters, "/", ":", "%", " ", "\n", "\u0000", "é"), maxLength: 5 }),
      fc.constantFrom("all", "default", "lo", ".", "..", "eth0", "-x", "eth%d"),
    );
    fc.assert(
      fc.property(text, (name) => {
        assert.equal(isIfName(name), expected(name));
      }),
      { numRuns: 1000 },
    );
  });

  test("a refusal says what the name was for", () => {
    assert.equal(parseIfName("eth0", "bridge name"), "eth0");
    assert.throws(() => parseIfName("all", "bridge name"), /^FairwayError: bridge name "all" is not an interface name/);
    assert.throws(() => parseIfName("x".repeat(4096), "bridge name"), coded("FW1002"));
  });
});

describe("MAC addresses", () => {
  const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
  const written = (bytes: Uint8Array, separator: string): string =>
    [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(separator);

  test("have one spelling; groups and zero are refused", () => {
    fc.assert(
      fc.property(mac, fc.constantFrom(":", "-"), fc.boolean(), (bytes, separator, upper) => {
        const text = upper ? written(bytes, separator).toUpperCase() : written(bytes, separator);
        const isUnicast = (bytes[0] ?? 1) % 2 === 0 && bytes.some((byte) => byte !== 0);
        if (isUnicast) {
          assert.equal(parseMac(text), written(bytes, ":"));
        } else {
          assert.throws(() => parseMac(text), coded("FW1002"));
        }
      }),
    );
    assert.throws(() => parseMac("00:00:00:00:00:00"), coded("FW1002"));
    assert.throws(() => parseMac("ff:ff:ff:ff:ff:ff"), coded("FW1002"));
  });

  for (const text of [
    "",
    "02:42:ac:11:00",
    "02:42:ac:11:00:02:03",
    "0242ac110002",
    "02:42:ac:11:00:0g",
    "02:42:ac:11:00:02\n",
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseMac(text), coded("FW1002"));
    });
  }

  test("derived ones are unicast, locally administered and depend on the seeds alone", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 3 }), (seeds) => {
        const derived = deriveMac(...seeds);
        assert.equal(parseMac(derived), derived);
        assert.equal(Number.parseInt(derived.slice(0, 2), 16) & 0b11, 0b10);
        assert.equal(deriveMac(...seeds), derived);
      }),
    );
  });

  test("seeds keep their borders and their order", () => {
    const seeds = [["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""], ["a,b", "c"], ['a","b', "c"]];
    assert.equal(new Set(seeds.map((list) => deriveMac(...list))).size, seeds.length);
  });

  // A running container keeps its neighbours' caches and firewalls keep their rules: the next version must agree.
  test("derived ones never change between versions", () => {
    assert.equal(deriveMac("bridge", "0123456789ab"), "76:0b:d6:86:fc:55");
    assert.equal(deriveMac("endpoint", "0123456789ab", "fedcba987654"), "12:83:cb:83:3d:b5");
    assert.equal(deriveMac(), "4e:53:cd:a1:8c:2b");
  });
});
