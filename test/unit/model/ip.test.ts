import assert from "node:assert/strict";
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FairwayError } from "../../../src/errors.ts";
import {
  addressBits,
  boundsOf,
  type Family,
  familyOf,
  fromBigInt,
  fromBytes,
  hostOf,
  type InterfaceAddress,
  type IpAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  type Prefix,
  parseInterfaceAddress,
  parseIpAddress,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixLengthOf,
  prefixOf,
  toBigInt,
  toBytes,
} from "../../../src/model/ip.ts";

const refused = (error: unknown): boolean => error instanceof FairwayError && error.code === "FW3003";

/** Eight groups in full: no knowledge of how addresses are shortened. */
function spelledOut(value: bigint, family: Family): string {
  const [parts, bits, radix] = family === "ipv4" ? ([4, 8n, 10] as const) : ([8, 16n, 16] as const);
  return Array.from({ length: parts }, (_, index) =>
    ((value >> (BigInt(parts - 1 - index) * bits)) & ((1n << bits) - 1n)).toString(radix),
  ).join(family === "ipv4" ? "." : ":");
}

const isMapped = (value: bigint, family: Family): boolean => family === "ipv6" && value >> 32n === 0xffffn;

// Sparse values as well, because runs of zeros are where spellings differ.
const ipv6Value = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  fc
    .array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 0xffffn })), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.reduce((sum, group) => (sum << 16n) | group, 0n)),
);
const addressValue: fc.Arbitrary<[bigint, Family]> = fc
  .oneof(
    fc.tuple(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), fc.constant("ipv4" as const)),
    fc.tuple(ipv6Value, fc.constant("ipv6" as const)),
  )
  .filter(([value, family]) => !isMapped(value, family));
const address: fc.Arbitrary<IpAddress> = addressValue.map(([value, family]) => fromBigInt(value, family));
const interfaceAddress: fc.Arbitrary<InterfaceAddress> = address.chain((host) =>
  fc.integer({ min: 0, max: addressBits(familyOf(host)) }).map((bits) => parseInterfaceAddress(`${host}/${bits}`)),
);
const prefix: fc.Arbitrary<Prefix> = interfaceAddress.map(prefixOf);
/** Random prefixes seldom meet; these share their first bits. */
const related = fc.tuple(address, fc.nat(128), fc.nat(128), fc.nat(3)).map(([host, first, second, flipped]) => {
  const bits = addressBits(familyOf(host));
  const other = fromBigInt(toBigInt(host) ^ (BigInt(flipped) << BigInt(Math.floor(bits / 2))), familyOf(host));
  return [parsePrefix(`${host}/${first % (bits + 1)}`), parsePrefix(`${other}/${second % (bits + 1)}`)] as const;
});

function blockListOf(value: Prefix): BlockList {
  const list = new BlockList();
  list.addSubnet(value.slice(0, value.indexOf("/")), prefixLengthOf(value), familyOf(value));
  return list;
}

describe("addresses", () => {
  test("any spelling parses to the number it stands for, and one canonical text", () => {
    fc.assert(
      fc.property(addressValue, ([value, family]) => {
        const full = spelledOut(value, family);
        const parsed = parseIpAddress(full);
        assert.equal(toBigInt(parsed), value);
        assert.equal(familyOf(parsed), family);
        assert.equal(parseIpAddress(full.toUpperCase()), parsed);
        assert.equal(parseIpAddress(parsed), parsed);
        assert.equal(fromBigInt(value, family), parsed);
      }),
    );
  });

  test("IPv6 text is what the URL standard makes of it (RFC 5952)", () => {
    fc.assert(
      fc.property(ipv6Value, (value) => {
        assert.equal(`[${fromBigInt(value, "ipv6")}]`, new URL(`http://[${spelledOut(value, "ipv6")}]`).hostname);
      }),
    );
  });

  test("bytes are in network order and go round", () => {
    fc.assert(
      fc.property(addressValue, ([value, family]) => {
        const bytes = toBytes(fromBigInt(value, family));
        assert.equal(bytes.length, addressBits(family) / 8);
        assert.equal(
          bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
          value,
        );
        assert.equal(fromBytes(bytes), fromBigInt(value, family));
        assert.equal(fromBytes(new Uint8Array(bytes)), fromBigInt(value, family));
      }),
    );
  });

  test("other numbers of bytes are no address", () => {
    for (const length of [0, 3, 5, 6, 15, 17]) {
      assert.throws(() => fromBytes(new Uint8Array(length)), RangeError);
    }
  });

  test("numbers beyond a family are no address", () => {
    for (const family of ["ipv4", "ipv6"] as const) {
      assert.throws(() => fromBigInt(1n << BigInt(addressBits(family)), family));
      assert.throws(() => fromBigInt(-1n, family));
    }
  });

  test("what is no address is refused, and only that", () => {
    const fragment = fc.constantFrom(
      "0",
      "1",
      "255",
      "256",
      "01",
      ".",
      ":",
      "::",
      "ffff",
      "g",
      "%",
      "/",
      " ",
      "-",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 12 }), (fragments) => {
        const text = fragments.join("");
        if (isIPv4(text) || (isIPv6(text) && !text.includes("%"))) {
          parseIpAddress(text);
        } else {
          assert.throws(() => parseIpAddress(text), refused);
        }
      }),
    );
  });

  for (const text of ["10.0.0.01", "010.0.0.1", "00001::", "fe80::1%eth0", "1.2.3", "0x7f000001", "", " 10.0.0.1"]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseIpAddress(text), refused);
    });
  }

  test("an IPv4-mapped IPv6 address is the IPv4 address", () => {
    fc.assert(
      fc.property(fc.ipV4(), (ipv4) => {
        assert.equal(parseIpAddress(`::ffff:${ipv4}`), ipv4);
        assert.equal(parseIpAddress(spelledOut((0xffffn << 32n) | toBigInt(parseIpAddress(ipv4)), "ipv6")), ipv4);
        assert.throws(() => parseInterfaceAddress(`::ffff:${ipv4}/24`), refused);
      }),
    );
    assert.equal(parseIpAddress("::1.2.3.4"), "::102:304");
    assert.equal(parseIpAddress("64:ff9b::1.2.3.4"), "64:ff9b::102:304");
  });

  test("kinds of addresses agree with their prefixes", () => {
    const kinds = [
      [isLoopback, ["127.0.0.0/8", "::1/128"]],
      [isMulticast, ["224.0.0.0/3", "ff00::/8"]],
      [isLinkLocal, ["169.254.0.0/16", "fe80::/10"]],
      [isUnspecified, ["0.0.0.0/32", "::/128"]],
    ] as const;
    const edges = kinds
      .flatMap(([, prefixes]) => prefixes.map((text) => parsePrefix(text)))
      .flatMap((range) => boundsOf(range).map((bound) => [bound, familyOf(range)] as const))
      .flatMap(([bound, family]) => [-1n, 0n, 1n].map((step) => [bound + step, family] as const))
      .filter(([value, family]) => value >= 0n && value < 1n << BigInt(addressBits(family)))
      .map(([value, family]) => fromBigInt(value, family));
    fc.assert(
      fc.property(fc.oneof(address, fc.constantFrom(...edges)), (host) => {
        for (const [is, prefixes] of kinds) {
          assert.equal(
            is(host),
            prefixes.some((text) => prefixContains(parsePrefix(text), host)),
            `${is.name} ${host}`,
          );
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(!isMulticast(parseIpAddress("ff::1")));
    assert.ok(!isLinkLocal(parseIpAddress("fe8::1")));
  });
});

describe("interface addresses and prefixes", () => {
  test("keep host and length apart", () => {
    fc.assert(
      fc.property(interfaceAddress, (value) => {
        assert.equal(`${hostOf(value)}/${prefixLengthOf(value)}`, value);
        assert.equal(parseInterfaceAddress(value), value);
      }),
    );
  });

  test("a prefix has no host bits and holds the address it was made of", () => {
    fc.assert(
      fc.property(interfaceAddress, (value) => {
        const made = prefixOf(value);
        const [first, last] = boundsOf(made);
        const size = 1n << BigInt(addressBits(familyOf(made)) - prefixLengthOf(made));
        assert.equal(first % size, 0n);
        assert.equal(last - first + 1n, size);
        assert.equal(parsePrefix(value), made);
        assert.equal(parsePrefix(made), made);
        assert.ok(prefixContains(made, hostOf(value)));
      }),
    );
  });

  test("contains what node's BlockList contains", () => {
    const near = fc.tuple(prefix, address, fc.bigInt({ min: -1n, max: 1n })).map(([range, host, step]) => {
      const [, last] = boundsOf(range);
      const value = last + step;
      const fits = value >= 0n && value < 1n << BigInt(addressBits(familyOf(range)));
      return [range, fits && !isMapped(value, familyOf(range)) ? fromBigInt(value, familyOf(range)) : host] as const;
    });
    fc.assert(
      fc.property(fc.oneof(fc.tuple(prefix, address), near), ([range, host]) => {
        const sameFamily = familyOf(range) === familyOf(host);
        assert.equal(prefixContains(range, host), sameFamily && blockListOf(range).check(host, familyOf(host)));
      }),
    );
  });

  test("overlap is symmetric, and means that one contains the other's first address", () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(prefix, prefix), related), ([a, b]) => {
        const network = (range: Prefix): IpAddress => range.slice(0, range.indexOf("/")) as IpAddress;
        assert.equal(prefixesOverlap(a, b), prefixesOverlap(b, a));
        assert.equal(prefixesOverlap(a, b), prefixContains(a, network(b)) || prefixContains(b, network(a)));
        assert.ok(prefixesOverlap(a, a));
      }),
      { numRuns: 300 },
    );
  });

  const bounds: readonly (readonly [string, string, string, string])[] = [
    ["10.9.8.7/0", "0.0.0.0/0", "0.0.0.0", "255.255.255.255"],
    ["10.9.8.7/31", "10.9.8.6/31", "10.9.8.6", "10.9.8.7"],
    ["10.9.8.7/32", "10.9.8.7/32", "10.9.8.7", "10.9.8.7"],
    ["fd00::7/0", "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["fd00::7/127", "fd00::6/127", "fd00::6", "fd00::7"],
    ["fd00::7/128", "fd00::7/128", "fd00::7", "fd00::7"],
    ["fd00:88:0:1::5/64", "fd00:88:0:1::/64", "fd00:88:0:1::", "fd00:88:0:1:ffff:ffff:ffff:ffff"],
  ];
  for (const [text, expected, first, last] of bounds) {
    test(`${text} is ${expected}`, () => {
      const made = parsePrefix(text);
      assert.equal(made, expected);
      assert.deepEqual(
        boundsOf(made).map((bound) => fromBigInt(bound, familyOf(made))),
        [first, last],
      );
    });
  }

  for (const text of [
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/024",
    "10.0.0.0/+8",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/8 ",
    "10.0.0.0/1e1",
    "10.0.0.0/255.0.0.0",
    "fd00::/129",
    "fe80::1%eth0/64",
    "/24",
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parsePrefix(text), refused);
      assert.throws(() => parseInterfaceAddress(text), refused);
    });
  }

  test("the two families never meet", () => {
    assert.ok(!prefixesOverlap(parsePrefix("0.0.0.0/0"), parsePrefix("::/0")));
    assert.ok(!prefixContains(parsePrefix("::/0"), parseIpAddress("10.0.0.1")));
  });
});
