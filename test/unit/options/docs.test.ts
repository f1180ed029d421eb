import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { endpointCatalog, networkCatalog, type OptionEntry } from "../../../src/options/catalog.ts";
import { optionsMarkdown } from "../../../src/options/markdown.ts";

const committed = readFileSync(new URL("../../../docs/options.md", import.meta.url), "utf8");

test("docs/options.md is what the catalogue says", () => {
  assert.equal(committed, optionsMarkdown(), "run npm run docs");
});

const entries: readonly (readonly [string, OptionEntry])[] = Object.entries({ ...networkCatalog, ...endpointCatalog });
for (const [key, entry] of entries) {
  test(`${key}: documented, its example and default are values that it takes`, () => {
    assert.match(key, /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    assert.match(committed, new RegExp(`^### ${key}$`, "m"));
    for (const alias of entry.aliases) {
      assert.match(alias, /^com\.docker\.network\.[a-z0-9_.]+$/);
      assert.ok(committed.includes(`\`${alias}\``));
    }
    const [exampleKey, exampleValue] = entry.example.split("=");
    assert.equal(exampleKey, key);
    assert.ok(entry.value.safeParse(exampleValue).success);
    assert.ok(!("value" in entry.default) || entry.value.safeParse(entry.default.value).success);
    assert.doesNotMatch(entry.doc, /\n/);
  });
}

test("no name means two options", () => {
  const names = entries.flatMap(([key, entry]) => [key, ...entry.aliases]);
  assert.equal(new Set(names).size, names.length);
});
