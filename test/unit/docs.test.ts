import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";
import { errorCatalogue } from "../../src/errors.ts";
import { chainRules } from "../../src/kernel/engine-firewall/rules.ts";
import { endpointCatalog, networkCatalog, type OptionEntries } from "../../src/options/catalog.ts";
import { standardKeys } from "../../src/options/standard-keys.ts";
import { planRuleset } from "../../src/plan/firewall.ts";
import { admittedMarkBit, engineChain, isolatedLinkGroup, linkGroup, publishedMarkBit } from "../../src/plan/names.ts";

const root = join(import.meta.dirname, "../..");
const pages = ["README.md", ...globSync("docs/**/*.md", { cwd: root })];

function read(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

/** What is left when code is taken out: links and headings count in prose only. */
function proseOf(text: string): string {
  return text.replace(/^```[^\n]*\n[\s\S]*?^```$/gm, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()#]/g, ""));
}

function linksOf(text: string): string[] {
  return [...proseOf(text).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
}

/** Anchors of headings as GitHub makes them: lower case, spaces to dashes, punctuation gone, repetitions numbered. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = [...proseOf(text).matchAll(/^#{1,6} +(.+?) *$/gm)].map((match) => match[1] ?? "");
  const anchors = headings.map((heading) => {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
  return new Set(anchors);
}

/** Undefined: the link leads somewhere. `readPage` answers undefined for a file that does not exist. */
function faultOf(page: string, link: string, readPage: (path: string) => string | undefined): string | undefined {
  if (/^[a-z]+:/.test(link)) {
    return undefined;
  }
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? page : normalize(join(dirname(page), file));
  const text = readPage(target);
  if (text === undefined) {
    return `${link}: there is no ${target}`;
  }
  return anchor === undefined || anchorsOf(text).has(anchor) ? undefined : `${link}: ${target} has no such heading`;
}

function readIfPresent(path: string): string | undefined {
  return existsSync(join(root, path)) ? (path.endsWith(".md") ? read(path) : "") : undefined;
}

/** Keys in `-o key=`, `--driver-opt key=` and `driver-opt=key=`, and those below `driver_opts:` in compose files. */
function optionsIn(text: string): string[] {
  const typed = [...text.matchAll(/(?:\s|`)(?:-o|--opt|--driver-opt) +([\w.]+)=|driver-opt=([\w.]+)=/g)];
  const composed = [...text.matchAll(/^( *)driver_opts:\n((?:\1 +.+\n)+)/gm)].flatMap((match) => [
    ...(match[2] ?? "").matchAll(/^ *([\w.]+):/gm),
  ]);
  return [...typed, ...composed].map((match) => match[1] ?? match[2] ?? "");
}

function namesIn(entries: OptionEntries): string[] {
  return Object.entries(entries).flatMap(([key, entry]) => [key, ...entry.aliases]);
}

const knownOptions = [...namesIn(networkCatalog), ...namesIn(endpointCatalog), ...standardKeys.map(({ key }) => key)];

for (const page of pages) {
  describe(page, () => {
    const text = read(page);

    test("every link and anchor leads somewhere", () => {
      const faults = linksOf(text).map((link) => faultOf(page, link, readIfPresent));
      assert.deepEqual(
        faults.filter((fault) => fault !== undefined),
        [],
      );
    });

    test("every option exists", () => {
      assert.deepEqual(
        optionsIn(text).filter((key) => !knownOptions.includes(key)),
        [],
      );
    });

    test("every error code exists", () => {
      assert.deepEqual(
        (text.match(/\bFW\d{4}\b/g) ?? []).filter((code) => !(code in errorCatalogue)),
        [],
      );
    });

    test("every npm script exists", () => {
      const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;
      const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "");
      assert.deepEqual(
        named.filter((script) => !(script in scripts)),
        [],
      );
    });
  });
}

/** First column of the tables that begin with this header line, code marks taken off; several words where it has several. */
function firstColumn(text: string, header: string): string[] {
  const [, ...tables] = text.split(`${header}\n`);
  const lines = tables.flatMap((rows) => rows.slice(0, rows.indexOf("\n\n")).split("\n").slice(1));
  return lines.flatMap((line) =>
    [...(line.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""),
  );
}

describe("what the pages say about the kernel", () => {
  const tables = planRuleset().tables;
  const chains = tables.flatMap((table) => table.chains);

  test("docs/security.md has every chain, with its hook and priority", () => {
    const text = read("docs/security.md");
    const named = firstColumn(text, "| chain | hook and priority | what it does | answers |");
    assert.deepEqual(named.toSorted(), chains.map(({ name }) => name).toSorted());
    for (const { name, hook } of chains) {
      const place = hook === undefined ? "from " : `${hook.hook}, ${hook.priority} `;
      assert.ok(text.includes(`| \`${name}\` | ${place}`), `${name}: ${place}`);
    }
  });

  test("docs/modes/bridge.md has every set and map", () => {
    const named = firstColumn(read("docs/modes/bridge.md"), "| set or map | holds |");
    const sets = tables.flatMap((table) => table.sets).map(({ name }) => name.replace(/[46]$/, ""));
    assert.deepEqual(named.toSorted(), [...new Set(sets)].toSorted());
  });

  test("docs/security.md has the rules in the engine's filter", () => {
    const rules = chainRules({ chain: engineChain, markBit: admittedMarkBit }).join("\n");
    assert.ok(read("docs/security.md").includes(`-N ${engineChain}\n${rules}\n`));
  });

  test("docs/operations.md and docs/DESIGN.md have the mark bits", () => {
    const bits = [admittedMarkBit, publishedMarkBit].map((bit) => `0x${bit.toString(16)}`);
    const rows = read("docs/operations.md").match(/^\| (0x[0-9a-f]+) \|/gm) ?? [];
    assert.deepEqual(
      rows.map((row) => row.slice(2, -2)),
      bits,
    );
    for (const bit of bits) {
      assert.ok(read("docs/DESIGN.md").includes(`${bit}: `), bit);
    }
  });

  test("docs/operations.md and docs/security.md name the link groups", () => {
    for (const group of [linkGroup, isolatedLinkGroup]) {
      assert.ok(read("docs/operations.md").includes(`ip link delete group ${group}\n`));
      assert.ok(read("docs/security.md").includes(`ip -d link show group ${group}`));
    }
  });

  test("docs/operations.md has messages that the daemon writes", () => {
    const sources = globSync("src/**/*.ts", { cwd: root }).map(read).join("\n");
    const messages = firstColumn(read("docs/operations.md"), "| `msg` | meaning |");
    assert.ok(messages.length > 5);
    assert.deepEqual(
      messages.filter((message) => !sources.includes(`"${message}"`)),
      [],
    );
  });
});

describe("the checks themselves", () => {
  const page =
    "# A `b` c, d!\n\n## Twice\n## Twice\n\n```sh\n# no heading\n[no](link)\n```\n[x](y.md#z) `[no](link)`\n";

  test("headings and links in code do not count", () => {
    assert.deepEqual([...anchorsOf(page)], ["a-b-c-d", "twice", "twice-1"]);
    assert.deepEqual(linksOf(page), ["y.md#z"]);
  });

  test("a link to nowhere is found", () => {
    const readPage = (path: string) => (path === "docs/a.md" ? page : undefined);
    assert.equal(faultOf("docs/a.md", "#twice-1", readPage), undefined);
    assert.equal(faultOf("README.md", "docs/a.md#twice", readPage), undefined);
    assert.equal(faultOf("docs/modes/c.md", "../a.md", readPage), undefined);
    assert.match(faultOf("docs/a.md", "#thrice", readPage) ?? "", /no such heading/);
    assert.match(faultOf("docs/a.md", "b.md", readPage) ?? "", /there is no docs\/b\.md/);
    assert.equal(faultOf("docs/a.md", "https://example.org/#x", readPage), undefined);
  });

  test("options are found wherever they are written", () => {
    const text =
      "docker network create -o one=1 --opt two=2 x\n`-o three=3`\ndriver-opt=four=4\n--driver-opt five=5\n" +
      'a:\n  driver_opts:\n    six: "6"\n    com.x.seven: "7"\n  next: 1\n';
    assert.deepEqual(optionsIn(text), ["one", "two", "three", "four", "five", "six", "com.x.seven"]);
  });
});
