import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Firewall } from "../../../src/apply/firewall.ts";
import { KernelError } from "../../../src/kernel/ports.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import type { NftElement } from "../../../src/plan/ruleset.ts";
import { elementLines, FakeNft } from "../../fakes/fake-nft.ts";

const bridge = (name: string): NftElement => ({ set: "internal", key: [name] });

function bench(desired: NftElement[]): { nft: FakeNft; firewall: Firewall; drifts: string[] } {
  const nft = new FakeNft();
  const drifts: string[] = [];
  const onDrift = (errno: string): void => {
    drifts.push(errno);
  };
  const firewall = new Firewall({ nft, ruleset: planRuleset(), desired: () => [...desired], onDrift });
  return { nft, firewall, drifts };
}

describe("the firewall", () => {
  test("changes elements in one small transaction each", async () => {
    const { nft, firewall, drifts } = bench([]);
    await firewall.install();
    await firewall.change({ add: [bridge("fwb1"), bridge("fwb2")], remove: [] });
    await firewall.change({ add: [bridge("fwb3")], remove: [bridge("fwb1")] });
    assert.deepEqual(elementLines(nft.elements()), elementLines([bridge("fwb2"), bridge("fwb3")]));
    assert.deepEqual(nft.transactions, [
      { kind: "install", elements: 0 },
      { kind: "change", elements: 2 },
      { kind: "change", elements: 2 },
    ]);
    assert.deepEqual(drifts, []);
  });

  test("does not bother the kernel with an empty change", async () => {
    const { nft, firewall } = bench([]);
    await firewall.change({ add: [], remove: [] });
    assert.deepEqual(nft.transactions, []);
  });

  const drifts: [string, (nft: FakeNft) => unknown, string][] = [
    ["its tables are gone", (nft) => nft.flush(), "ENOENT"],
    ["an element to remove is gone", (nft) => nft.tamper("internal"), "ENOENT"],
    ["an element to add is there", (nft) => nft.change({ add: [bridge("fwb2")], remove: [] }), "EEXIST"],
  ];
  for (const [name, drift, errno] of drifts) {
    test(`puts the whole desired state back when ${name}`, async () => {
      const desired = [bridge("fwb1")];
      const { nft, firewall, drifts: seen } = bench(desired);
      await firewall.install();
      await drift(nft);
      desired.splice(0, 1, bridge("fwb2"), bridge("fwb3"));
      await firewall.change({ add: [bridge("fwb2"), bridge("fwb3")], remove: [bridge("fwb1")] });
      assert.deepEqual(elementLines(nft.elements()), elementLines(desired));
      assert.deepEqual(seen, [errno]);
    });
  }

  test("brings the tables with the first change, without calling it drift", async () => {
    const { nft, firewall, drifts: seen } = bench([bridge("fwb1")]);
    await firewall.change({ add: [bridge("fwb1")], remove: [] });
    assert.deepEqual(nft.transactions, [{ kind: "install", elements: 1 }]);
    assert.deepEqual(seen, []);
  });

  test("brings no tables to take elements out of them", async () => {
    const { nft, firewall } = bench([]);
    await firewall.change({ add: [], remove: [bridge("fwb1")] });
    await firewall.install();
    await firewall.remove();
    await firewall.change({ add: [], remove: [bridge("fwb1")] });
    assert.equal(nft.isInstalled, false);
    assert.equal(nft.transactions.filter(({ kind }) => kind === "install").length, 1);
  });

  test("repairs tables that are gone, but only where there should be some", async () => {
    const { nft, firewall, drifts: seen } = bench([bridge("fwb1")]);
    await firewall.repair();
    assert.equal(nft.isInstalled, false);
    await firewall.install();
    await firewall.repair();
    assert.equal(nft.transactions.length, 1);
    nft.flush();
    await firewall.repair();
    assert.deepEqual(elementLines(nft.elements()), elementLines([bridge("fwb1")]));
    assert.deepEqual(seen, ["ENOENT"]);
    await firewall.remove();
    await firewall.repair();
    assert.equal(nft.isInstalled, false);
  });

  test("lets no change be overtaken by an installation that began before it", async () => {
    const desired = [bridge("fwb1")];
    const { nft, firewall } = bench(desired);
    await firewall.install();
    // A real installation looks at the tables first, and that takes its time.
    const install = nft.install.bind(nft);
    nft.install = async (...args) => {
      await new Promise((resolve) => setImmediate(resolve));
      await install(...args);
    };
    const first = firewall.install();
    desired.push(bridge("fwb2"));
    const second = firewall.change({ add: [bridge("fwb2")], remove: [] });
    await Promise.all([first, second]);
    assert.deepEqual(elementLines(nft.elements()), elementLines(desired));
  });

  test("leaves other refusals to the caller", async () => {
    const { nft, firewall, drifts: seen } = bench([]);
    await firewall.install();
    nft.change = () => Promise.reject(new KernelError("change elements", "EPERM"));
    await assert.rejects(firewall.change({ add: [bridge("fwb1")], remove: [] }), { errno: "EPERM" });
    assert.deepEqual(seen, []);
    assert.deepEqual(nft.transactions.length, 1);
  });
});
