import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { listAttributes, parseAttributes, parseMessages } from "../../../../src/kernel/netlink/message.ts";
import { batch, stepMessage } from "../../../../src/kernel/nft/batch.ts";
import { addElements, removeElements } from "../../../../src/kernel/nft/elements.ts";
import { totalBytes, typeId, writeFields } from "../../../../src/kernel/nft/field-types.ts";
import { ruleExpressions } from "../../../../src/kernel/nft/rules.ts";
import { addSet } from "../../../../src/kernel/nft/sets.ts";
import { readComment, skeletonOf } from "../../../../src/kernel/nft/skeleton.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement, NftSet, NftTable } from "../../../../src/plan/ruleset.ts";
import { rulesByNft } from "./nft-bytes.ts";

const table: NftTable = { family: "inet", name: "fairway", sets: [], chains: [] };
const lookupSetId = 4;

/** Expressions as text, attributes sorted: their order means nothing, and a set's number in the batch is not content. */
function describeExpressions(list: Buffer): string[] {
  return listAttributes(list).map(([, expression]) => {
    const parts = parseAttributes(expression);
    const name = parts.get(1)?.toString("latin1").replace("\0", "") ?? "";
    const content = listAttributes(parts.get(2) ?? Buffer.alloc(0))
      .filter(([type]) => !(name === "lookup" && type === lookupSetId))
      .sort(([a], [b]) => a - b);
    return [name, ...content.map(([type, value]) => `${type}=${value.toString("hex")}`)].join(" ");
  });
}

describe("rules", () => {
  for (const { text, rule, hex } of rulesByNft) {
    test(`${text} is what nft sends`, () => {
      const ours = describeExpressions(Buffer.concat(ruleExpressions("inet", rule)));
      const theirs = describeExpressions(Buffer.from(hex, "hex"));
      assert.ok(theirs.length > 0);
      // nft leaves the family to the nat expression; ours asks before it searches the map.
      const family = (line: string): boolean => line.startsWith("meta 1=00000001 2=0000000f");
      assert.deepEqual(
        ours.filter((line) => !family(line) || theirs.some(family)),
        theirs,
      );
    });
  }

  test("a rule cannot be about two families", () => {
    assert.throws(
      () =>
        ruleExpressions("inet", {
          match: [{ family: "ipv4" }, { select: "ip6 daddr", prefix: "::1/128" }],
          action: { verdict: "drop" },
        }),
      /a rule for ipv4 packets looks at ipv6 fields/,
    );
  });

  test("the family is asked for once, and before the counter", () => {
    const lines = describeExpressions(
      Buffer.concat(
        ruleExpressions("inet", {
          match: [{ select: "ip saddr", prefix: "10.0.0.0/8" }],
          action: { dnat: "ipv4", map: "m", select: ["ip daddr", "th dport"], port: false },
          counter: true,
        }),
      ),
    );
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["meta", "cmp", "payload", "bitwise", "cmp", "counter", "payload", "payload", "lookup", "nat"],
    );
  });

  test("in the bridge family, the EtherType tells the family", () => {
    const [load, compare] = describeExpressions(
      Buffer.concat(ruleExpressions("bridge", { match: [{ family: "ipv6" }], action: { verdict: "drop" } })),
    );
    assert.equal(load, "meta 1=00000001 2=00000001");
    assert.match(compare ?? "", /^cmp .*86dd0000$/);
  });

  test("a key longer than the registers is refused", () => {
    const select = ["iifname", "oifname", "ip6 saddr", "ip6 daddr", "th dport"] as const;
    assert.throws(
      () => ruleExpressions("inet", { match: [{ select, in: "s" }], action: { verdict: "drop" } }),
      /64 bytes/,
    );
  });
});

describe("sets", () => {
  test("types are numbered as nft numbers them", () => {
    assert.equal(typeId(["ifname", "ipv4_addr"]), 0xa47);
    assert.equal(typeId(["inet_proto", "inet_service"]), 0x30d);
    assert.equal(typeId(["ipv6_addr", "inet_proto", "inet_service"]), 0x830d);
    assert.equal(totalBytes(["inet_service"]), 2);
    assert.equal(totalBytes(["ipv6_addr", "inet_proto", "inet_service"]), 24);
  });

  test("a map of ranges has the flags, lengths and fields that nft gives it", () => {
    const set: NftSet = {
      name: "range4_any",
      key: ["inet_proto", "inet_service"],
      data: ["ipv4_addr"],
      interval: true,
    };
    const attributes = parseAttributes(Buffer.concat(addSet(table, set, 8).attributes));
    const hex = (type: number): string | undefined => attributes.get(type)?.toString("hex");
    assert.deepEqual([3, 4, 5, 6, 7, 10].map(hex), [
      "0000008c",
      "0000030d",
      "00000008",
      "00000007",
      "00000004",
      "00000008",
    ]);
    assert.equal(hex(9), "1c0002800c0001800800010000000001" + "0c0001800800010000000002");
    assert.equal(hex(13), "000400000000" + "010402000000");
  });

  test("ranges of a single field are refused", () => {
    const set: NftSet = { name: "one", key: ["inet_service"], interval: true };
    assert.throws(() => addSet(table, set, 1), /set one: ranges need at least two fields/);
  });
});

describe("elements", () => {
  const list = 3;

  function bytesOf(set: NftSet, element: NftElement): string | undefined {
    const [step] = addElements(table, set, [element]);
    return parseAttributes(Buffer.concat(step?.attributes ?? []))
      .get(list)
      ?.toString("hex");
  }

  test("a verdict, a range and an address with port are what nft sends", () => {
    assert.equal(
      bytesOf(
        { name: "intra", key: ["ifname"], data: "verdict" },
        { set: "intra", key: ["br2"], data: { goto: "to_c" } },
      ),
      "38000180180001801400010062723200000000000000000000000000" +
        "1c0002801800028008000100fffffffc09000200746f5f6300000000",
    );
    assert.equal(
      bytesOf(
        { name: "r", key: ["inet_proto", "inet_service"], data: ["ipv4_addr"], interval: true },
        { set: "r", key: ["tcp", { from: 9000, to: 9999 }], data: ["10.88.0.2"] },
      ),
      "30000180100001800c000100060000002328000010000a800c00010006000000270f00000c000280080001000a580002",
    );
    assert.equal(
      bytesOf(
        { name: "p", key: ["inet_proto", "inet_service"], data: ["ipv4_addr", "inet_service"] },
        { set: "p", key: ["tcp", 8080], data: ["10.88.0.2", 80] },
      ),
      "24000180100001800c000100060000001f900000" + "100002800c0001000a58000200500000",
    );
  });

  test("a removal carries the key alone", () => {
    const set: NftSet = { name: "p", key: ["inet_service"], data: ["ipv4_addr"] };
    const [step] = removeElements(table, set, [{ set: "p", key: [80], data: ["10.0.0.1"] }]);
    const found = parseAttributes(Buffer.concat(step?.attributes ?? [])).get(list);
    assert.equal(found?.toString("hex"), "100001800c00018006000100" + "00500000");
  });

  test("what does not fit the set is refused", () => {
    const set: NftSet = { name: "p", key: ["inet_proto", "inet_service"], data: ["ipv4_addr"] };
    const refuse = (element: Omit<NftElement, "set">, reason: RegExp): void =>
      assert.throws(() => addElements(table, set, [{ set: "p", ...element }]), reason);
    refuse({ key: ["tcp"], data: ["10.0.0.1"] }, /1 values for the fields/);
    refuse({ key: ["tcp", { from: 1, to: 2 }], data: ["10.0.0.1"] }, /takes no ranges/);
    refuse({ key: ["tcp", 65_536], data: ["10.0.0.1"] }, /port 65536/);
    refuse({ key: ["quic", 1], data: ["10.0.0.1"] }, /protocol quic/);
    refuse({ key: ["tcp", "80"], data: ["10.0.0.1"] }, /port 80/);
    refuse({ key: ["tcp", 1], data: ["fd00::1"] }, /not an ipv4 address/);
    refuse({ key: ["tcp", 1] }, /data is not what the set holds/);
    refuse({ key: ["tcp", 1], data: "accept" }, /data is not what the set holds/);
    assert.throws(() => writeFields(Buffer.alloc(16), 0, ["ifname"], ["sixteen-bytes-xx"]), /not an interface name/);
  });

  test("any number of elements arrives, in lists that fit into an attribute", () => {
    const set: NftSet = { name: "s", key: ["ifname", "ipv6_addr"] };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4000 }), (count) => {
        const elements = Array.from({ length: count }, (_, n) => ({
          set: "s",
          key: ["br0", `fd00::${n.toString(16)}`],
        }));
        const lists = addElements(table, set, elements).map((step) => step.attributes.at(-1) ?? Buffer.alloc(0));
        assert.ok(lists.every((bytes) => bytes.length < 65_536 && bytes.readUInt16LE(0) === bytes.length));
        const arrived = lists.flatMap((bytes) => listAttributes(bytes.subarray(4)));
        assert.equal(arrived.length, count);
      }),
      { numRuns: 20 },
    );
  });
});

describe("batches", () => {
  test("begin and end enclose the steps, and the last step asks for an answer", () => {
    const steps = addElements(table, { name: "s", key: ["inet_service"] }, [{ set: "s", key: [1] }]);
    const messages = parseMessages(Buffer.concat(batch([...steps, ...steps])));
    assert.deepEqual(
      messages.map(({ type, flags }) => [type, flags]),
      [
        [16, 1],
        [0xa0c, 0x601],
        [0xa0c, 0x605],
        [17, 1],
      ],
    );
    assert.deepEqual(messages[0]?.payload, Buffer.from([0, 0, 0, 10]));
  });

  test("the table's comment follows what is in it, but not its elements", () => {
    const [firewall] = planRuleset().tables;
    assert.ok(firewall !== undefined);
    const { comment, create } = skeletonOf(firewall);
    assert.match(comment, /^fairway [0-9a-f]{12}$/);
    assert.equal(skeletonOf(structuredClone(firewall)).comment, comment);
    assert.notEqual(skeletonOf({ ...firewall, sets: firewall.sets.slice(1) }).comment, comment);
    const [message] = parseMessages(stepMessage(create[0] ?? assert.fail()));
    const userData = parseAttributes(message?.payload.subarray(4) ?? Buffer.alloc(0)).get(6);
    assert.equal(readComment(userData ?? Buffer.alloc(0)), comment);
  });

  test("foreign user data without a comment, or cut off, is none of ours", () => {
    assert.equal(readComment(Buffer.alloc(0)), undefined);
    assert.equal(readComment(Buffer.from([7, 1, 0])), undefined);
    assert.equal(readComment(Buffer.from([0, 200, 65])), undefined);
  });
});
