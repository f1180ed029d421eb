import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  blockOrder,
  commonGateway,
  defaultBlockLength,
  isBlockLength,
  keptParts,
  offeredPart,
} from "../../../../src/ipam/blocks/choice.ts";
import { silenceMs } from "../../../../src/ipam/blocks/silence.ts";
import { parsePrefix } from "../../../../src/model/ip.ts";
import { parsePoolOptions } from "../../../../src/options/pool-options.ts";

describe("blocks of a subnet", () => {
  test("each comes once, from a start that differs from host to host", () => {
    const subnet = parsePrefix("10.244.0.0/20");
    const orders = ["a", "b", "c", "d"].map((host) => [...blockOrder(subnet, 26, host)]);
    for (const order of orders) {
      assert.equal(new Set(order).size, 64);
      assert.ok(order.every((block) => parsePrefix(block) === block));
    }
    assert.ok(new Set(orders.map(([first]) => first)).size > 1);
    assert.deepEqual(orders[0], [...blockOrder(subnet, 26, "a")]);
  });

  test("of a large one need not be counted", () => {
    const [first] = blockOrder(parsePrefix("fd00::/64"), 122, "a");
    assert.match(first ?? "", /^fd00::.*\/122$/);
  });

  for (const [subnet, length] of [
    ["10.244.0.0/16", 26],
    ["10.244.0.0/25", 27],
    ["10.244.0.0/28", 30],
    ["fd00::/64", 122],
    ["fd00::/121", 123],
  ] as const) {
    test(`${subnet} has blocks of /${length} unless the user says otherwise`, () => {
      assert.equal(defaultBlockLength(parsePrefix(subnet)), length);
      assert.ok(isBlockLength(parsePrefix(subnet), length));
    });
  }

  test("are smaller than the subnet and have four addresses at least", () => {
    const subnet = parsePrefix("10.244.0.0/24");
    assert.deepEqual(
      [24, 25, 30, 31].map((length) => isBlockLength(subnet, length)),
      [false, true, true, false],
    );
  });

  test("the last quarter is offered, the rest is kept", () => {
    for (const [block, kept, offered] of [
      ["10.244.1.64/26", ["10.244.1.64/27", "10.244.1.96/28"], "10.244.1.112/28"],
      ["fd00::40/122", ["fd00::40/123", "fd00::60/124"], "fd00::70/124"],
      ["10.0.0.4/30", ["10.0.0.4/31", "10.0.0.6/32"], "10.0.0.7/32"],
    ] as const) {
      assert.deepEqual(keptParts(parsePrefix(block)), kept);
      assert.equal(offeredPart(parsePrefix(block)), offered);
    }
  });

  test("the common gateway is the first usable address", () => {
    assert.equal(commonGateway(parsePrefix("10.244.0.0/16")), "10.244.0.1");
    assert.equal(commonGateway(parsePrefix("fd00::/64")), "fd00::1");
  });
});

describe("how long a host was silent", () => {
  const contact = { wallMs: 5000, uptimeMs: 100, bootId: "a" };
  const identity = { hostId: "", epoch: 1, contact, seenWallMs: 6000 };
  const at = (wall: number, uptime: number, bootId: string) =>
    silenceMs(identity, { wallMs: () => wall, uptimeMs: () => uptime, bootId });

  test("in one run of the host: by the clock that shows more", () => {
    assert.equal(at(5700, 400, "a"), 700);
    assert.equal(at(1000, 400, "a"), 300);
    assert.equal(at(5000, 90, "a"), 0);
  });

  test("after a restart of the host: by the wall clock, unless it shows less than before", () => {
    assert.equal(at(6500, 1, "b"), 1500);
    assert.equal(at(5999, 1, "b"), Number.POSITIVE_INFINITY);
    assert.equal(at(4000, 1, "b"), Number.POSITIVE_INFINITY);
  });

  test("without any contact: nobody knows", () => {
    const { contact: _, ...without } = identity;
    const clocks = { wallMs: () => 1, uptimeMs: () => 1, bootId: "a" };
    assert.equal(silenceMs(without, clocks), Number.POSITIVE_INFINITY);
  });
});

describe("ipam options", () => {
  test("are read, in either spelling of a length", () => {
    const read = (given: Record<string, string>) => parsePoolOptions(new Map(Object.entries(given)));
    assert.deepEqual(read({}), {});
    assert.deepEqual(read({ block: "10.244.1.7/26" }), { blocks: ["10.244.1.0/26"] });
    assert.deepEqual(read({ block: "fd00::40/122,10.244.1.0/26" }), { blocks: ["fd00::40/122", "10.244.1.0/26"] });
    assert.deepEqual(read({ block_size: "27,/123" }), { blockSizes: [27, 123] });
    assert.deepEqual(read({ block_size: "/27", borrow: "true" }), { blockSizes: [27], borrow: true });
    assert.deepEqual(read({ block_size: "122", borrow: "false" }), { blockSizes: [122], borrow: false });
    for (const wrong of [
      { block_size: "0" },
      { block_size: "127" },
      { block_size: "26,27" },
      { block: "10.0.0.0/26,10.0.0.64/26" },
      { borrow: "yes" },
      { block: "x/26" },
    ]) {
      assert.throws(() => read(wrong as Record<string, string>), { code: "FW1002" });
    }
  });
});
