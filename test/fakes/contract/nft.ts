import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NftPort } from "../../../src/kernel/ports.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import type { NftElement } from "../../../src/plan/ruleset.ts";
import type { OpenSubject } from "./subject.ts";

const ruleset = planRuleset();
const bridge = (name: string): NftElement => ({ set: "internal", key: [name] });
const range = (from: number, to: number, target = "10.88.1.2"): NftElement => ({
  set: "range_any4",
  key: ["tcp", { from, to }],
  data: [target],
});
const port = (number: number, target = "10.88.1.2"): NftElement => ({
  set: "publish_any4",
  key: ["tcp", number],
  data: [target, 80],
});

/** Is the element there? Adding it again says so, and changes nothing then. */
async function has(nft: NftPort, element: NftElement): Promise<boolean> {
  try {
    await nft.change({ add: [element], remove: [] });
  } catch {
    return true;
  }
  await nft.change({ add: [], remove: [element] });
  return false;
}

/** What the packet filter does, whoever does it. */
export function nftContract(open: OpenSubject): void {
  describe("nft", () => {
    test("without tables every change is ENOENT, and removing them is fine", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.remove(ruleset);
      assert.equal(await nft.isIntact(ruleset), false);
      await nft.install(ruleset, []);
      await nft.remove(ruleset);
      await assert.rejects(nft.change({ add: [bridge("fwb1")], remove: [] }), { errno: "ENOENT" });
    });

    test("an installation is the whole: what was there before is gone", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, [bridge("fwb1"), range(8000, 8009)]);
      await nft.install(ruleset, [bridge("fwb2")]);
      assert.equal(await nft.isIntact(ruleset), true);
      assert.deepEqual(
        [await has(nft, bridge("fwb1")), await has(nft, bridge("fwb2")), await has(nft, range(8000, 8009))],
        [false, true, false],
      );
    });

    test("removing what is not there is ENOENT, and nothing of the change happens", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, [bridge("fwb1")]);
      const change = { add: [bridge("fwb2")], remove: [bridge("fwb1"), bridge("fwb9")] };
      await assert.rejects(nft.change(change), { errno: "ENOENT" });
      assert.deepEqual([await has(nft, bridge("fwb1")), await has(nft, bridge("fwb2"))], [true, false]);
    });

    for (const [name, first, second] of [
      ["the same key", bridge("fwb1"), bridge("fwb1")],
      ["the same key with other data", port(80), port(80, "10.88.1.3")],
      ["the same range", range(8000, 8009), range(8000, 8009)],
      ["an overlapping range", range(8000, 8009), range(8005, 8020)],
      ["a range inside", range(8000, 8009), range(8002, 8003, "10.88.1.3")],
    ] as const) {
      test(`adding ${name} again is EEXIST, and nothing of the change happens`, async () => {
        await using subject = await open();
        const { nft } = subject.kernel;
        await nft.install(ruleset, [first]);
        await assert.rejects(nft.change({ add: [bridge("fwb7"), second], remove: [] }), { errno: "EEXIST" });
        assert.equal(await has(nft, bridge("fwb7")), false);
      });
    }

    test("ranges side by side are fine", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, [range(8000, 8009)]);
      await nft.change({ add: [range(8010, 8019, "10.88.1.3")], remove: [] });
    });

    test("removals come before additions, and go by the key alone", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, [port(80)]);
      await nft.change({ add: [port(80, "10.88.1.9")], remove: [port(80, "10.88.1.7")] });
      await nft.change({ add: [], remove: [port(80)] });
      assert.equal(await has(nft, port(80)), false);
    });

    test("an installation that repeats a key is EEXIST, and the tables stay as they were", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, [bridge("fwb1")]);
      await assert.rejects(nft.install(ruleset, [port(80), port(80, "10.88.1.3")]), { errno: "EEXIST" });
      assert.equal(await has(nft, bridge("fwb1")), true);
    });

    test("elements that do not fit the ruleset are a defect, not a refusal", async () => {
      await using subject = await open();
      const { nft } = subject.kernel;
      await nft.install(ruleset, []);
      for (const bad of [
        { set: "nothing", key: ["fwb1"] },
        { set: "internal", key: ["fwb1", "fwb2"] },
        { set: "publish_any4", key: ["tcp", { from: 1, to: 2 }], data: ["10.88.1.2", 80] },
        { set: "publish_any4", key: ["tcp", 80] },
        { set: "internal", key: ["fwb1"], data: ["10.88.1.2"] },
      ]) {
        await assert.rejects(nft.change({ add: [bad], remove: [] }), (error) => !("errno" in (error as object)));
      }
    });
  });
}
