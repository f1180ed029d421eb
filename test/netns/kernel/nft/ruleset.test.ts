import "../isolation.ts";
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, beforeEach, test } from "node:test";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../../../../src/kernel/nft/nfnetlink-nft.ts";
import { KernelError } from "../../../../src/kernel/ports.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement, Ruleset } from "../../../../src/plan/ruleset.ts";
import { run } from "../../../lab/exec.ts";
import { codecElements, codecRuleset, sampleElements } from "./sample.ts";

const transport = new WorkerTransport();
const nft = new NfnetlinkNft(transport);
const ruleset = planRuleset();

after(() => transport[Symbol.asyncDispose]());
beforeEach(async () => {
  await run(["nft", "flush", "ruleset"]);
});

function listing(): Promise<string> {
  return run(["nft", "list", "ruleset"]);
}

/** Our two tables in one order; nft gives the one that was made last at the end. */
async function ourListing(): Promise<string> {
  return `${await run(["nft", "list", "table", "inet", "fairway"])}${await run(["nft", "list", "table", "bridge", "fairway"])}`;
}

/** Elements only, in an order of their own. */
async function elementsOf(set: string): Promise<string[]> {
  const text = new RegExp(`(set|map) ${set} \\{[^}]*\\}`).exec(await listing())?.[0] ?? "";
  const list = /elements = \{([^}]*)\}/.exec(text)?.[1] ?? "";
  return list
    .split(",")
    .map((element) => element.trim())
    .filter((element) => element !== "")
    .sort();
}

/** The handle tells a table that stayed from one that was made anew. */
async function tableHandle(): Promise<string> {
  return /table inet fairway \{ # handle \d+/.exec(await run(["nft", "-a", "list", "ruleset"]))?.[0] ?? "none";
}

function assertGolden(name: string, actual: string): void {
  const file = new URL(`../golden/${name}.nft`, import.meta.url);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    writeFileSync(file, actual);
  }
  assert.equal(actual, readFileSync(file, "utf8"));
}

async function assertRefused(attempt: Promise<void>, errno: string, subject: string): Promise<void> {
  await assert.rejects(attempt, (error) => {
    assert.ok(error instanceof KernelError);
    assert.equal(error.errno, errno);
    assert.ok(error.message.includes(subject), error.message);
    return true;
  });
}

test("nft lists our firewall as it was planned", async () => {
  await nft.install(ruleset, sampleElements);
  assertGolden("fairway", await ourListing());
});

test("nft lists every kind of set, rule and family that the codec knows", async () => {
  await nft.install(codecRuleset, codecElements);
  assertGolden("codec", await listing());
});

/** nft prints rules that write into the packet quoted by an ICMP error, and has no word that it could read them by. */
function withoutQuoted(text: string): string {
  return text
    .split("\n")
    .filter((line) => !line.includes("@th,"))
    .join("\n");
}

test("what we install, nft can load again and lists the same, save for packets that ICMP errors quote", async () => {
  await nft.install(ruleset, sampleElements);
  const before = withoutQuoted(await listing());
  await run(["nft", "flush", "ruleset"]);
  await run(["nft", "-f", "-"], { stdin: before });
  assert.equal(await listing(), before);
});

test("installing again keeps the table and replaces the elements", async () => {
  await nft.install(ruleset, [...sampleElements, { set: "internal", key: ["gone"] }]);
  const handle = await tableHandle();
  assert.notEqual(handle, "none");
  await nft.install(ruleset, sampleElements);
  assert.equal(await tableHandle(), handle);
  assertGolden("fairway", await ourListing());
});

const disturbances: [string, string[]][] = [
  ["a foreign rule", ["nft", "insert", "rule", "inet", "fairway", "forward", "accept"]],
  ["a lost rule", ["nft", "flush", "chain", "inet", "fairway", "guard"]],
  ["a foreign chain", ["nft", "add", "chain", "inet", "fairway", "more"]],
  ["a lost chain", ["nft", "delete", "chain", "inet", "fairway", "guard"]],
  ["a foreign set", ["nft", "add", "set", "inet", "fairway", "more", "{ type ifname; }"]],
  ["a lost table", ["nft", "delete", "table", "inet", "fairway"]],
  ["a foreign rule on the bridge", ["nft", "insert", "rule", "bridge", "fairway", "neighbours", "accept"]],
  ["a lost rule on the bridge", ["nft", "flush", "chain", "bridge", "fairway", "neighbours"]],
  ["a lost table on the bridge", ["nft", "delete", "table", "bridge", "fairway"]],
];

for (const [what, argv] of disturbances) {
  test(`${what} is noticed, and put right by the next installation`, async () => {
    await nft.install(ruleset, sampleElements);
    if (what === "a lost chain") {
      await run(["nft", "flush", "chain", "inet", "fairway", "guard"]);
    }
    await run(argv);
    assert.equal(await nft.isIntact(ruleset), false);
    await nft.install(ruleset, sampleElements);
    assertGolden("fairway", await ourListing());
    assert.equal(await nft.isIntact(ruleset), true);
  });
}

test("a table of another version is replaced, foreign tables stay", async () => {
  const foreign = "table ip other {\n\tchain keep {\n\t\tcounter packets 7 bytes 9 accept\n\t}\n}\n";
  await run(["nft", "-f", "-"], { stdin: `${foreign}table inet fairway { set ours { type ipv4_addr; }; }` });
  await nft.install(ruleset, sampleElements);
  assert.ok((await listing()).startsWith(foreign));
  assertGolden("fairway", await ourListing());
  await nft.remove(ruleset);
  assert.equal(await listing(), foreign);
});

test("removing is fine when nothing is there", async () => {
  await nft.remove(ruleset);
  await nft.remove(codecRuleset);
  assert.equal(await listing(), "");
});

test("a key moves to other data within one change", async () => {
  await nft.install(ruleset, sampleElements);
  const key = ["udp", 8080] as const;
  const range = ["udp", { from: 9000, to: 9999 }] as const;
  await nft.change({
    add: [
      { set: "publish_any4", key, data: ["10.88.0.3", 81] },
      { set: "range_any4", key: range, data: ["10.88.0.3"] },
    ],
    remove: [
      { set: "publish_any4", key },
      { set: "range_any4", key: range },
    ],
  });
  assert.deepEqual(await elementsOf("publish_any4"), ["udp . 8080 : 10.88.0.3 . 81"]);
  assert.deepEqual(await elementsOf("range_any4"), ["udp . 9000-9999 : 10.88.0.3"]);
});

test("a refused change names the set and changes nothing", async () => {
  await nft.install(ruleset, sampleElements);
  const before = await listing();
  const fine: NftElement = { set: "internal", key: ["br0"] };
  const taken: NftElement = { set: "publish_any4", key: ["udp", 8080], data: ["10.88.0.9", 1] };
  const overlap: NftElement = { set: "range_any6", key: ["udp", { from: 9500, to: 10500 }], data: ["fd00:88::3"] };
  await assertRefused(nft.change({ add: [fine, taken], remove: [] }), "EEXIST", "publish_any4");
  await assertRefused(nft.change({ add: [fine, overlap], remove: [] }), "EEXIST", "range_any6");
  await assertRefused(
    nft.change({ add: [fine], remove: [{ set: "gateways4", key: ["10.9.9.9"] }] }),
    "ENOENT",
    "gateways4",
  );
  assert.equal(await listing(), before);
});

test("a change without our table fails with ENOENT", async () => {
  await nft.install(ruleset, []);
  await run(["nft", "flush", "ruleset"]);
  await assertRefused(nft.change({ add: [{ set: "internal", key: ["br0"] }], remove: [] }), "ENOENT", "internal");
});

test("an empty change is none", async () => {
  await nft.change({ add: [], remove: [] });
});

test("thousands of elements come and go in one change", async () => {
  await nft.install(ruleset, []);
  const many: NftElement[] = Array.from({ length: 5000 }, (_, index) => ({
    set: "publish_address6",
    key: ["2001:db8::1", "tcp", index + 1],
    data: ["fd00:88::2", index + 1],
  }));
  await nft.change({ add: many, remove: [] });
  assert.equal((await elementsOf("publish_address6")).length, many.length);
  await nft.install(ruleset, many);
  assert.equal((await elementsOf("publish_address6")).length, many.length);
  await nft.change({ add: [], remove: many });
  assert.deepEqual(await elementsOf("publish_address6"), []);
});

test("a table that is not ours by content fails as a whole", async () => {
  const broken: Ruleset = {
    tables: [
      {
        family: "inet",
        name: "broken",
        sets: [],
        chains: [{ name: "only", rules: [{ match: [], action: { verdict: { jump: "nowhere" } } }] }],
      },
    ],
  };
  await assertRefused(nft.install(broken, []), "ENOENT", "chain only");
  assert.equal(await listing(), "");
});
