import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { daemonRefused, notUnderstood, unknownSession, unreachable } from "../../src/bgp/refusals.ts";
import { noAnswer, refusedByEtcd } from "../../src/cluster/etcd/refusals.ts";
import { resolveConfig } from "../../src/daemon/config.ts";
import { refuseEngineIpam } from "../../src/driver/host-refusals.ts";
import { defect, type ErrorCode, errorCatalogue, explain, FairwayError, printable } from "../../src/errors.ts";
import { signOfLife, stillThere } from "../../src/ipam/blocks/reclaim.ts";
import { fenced } from "../../src/ipam/blocks/refusals.ts";
import { addressTaken, poolOverlaps } from "../../src/ipam/refusals.ts";
import { parseNetworkId } from "../../src/model/ids.ts";
import { parseIpAddress, parsePrefix } from "../../src/model/ip.ts";
import { parseNetworkOptions } from "../../src/options/network-options.ts";
import { hostNetworkRequest, poolData } from "../fakes/requests.ts";

const documentation = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const sections = new Map(
  documentation
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section]),
);
const codes = Object.keys(errorCatalogue) as ErrorCode[];

/** Documented ahead of their first use. Whoever throws one takes it off this list. */
const notThrownYet: readonly string[] = [];

test("every code is thrown somewhere, and no other", () => {
  const root = new URL("../../src/", import.meta.url);
  const used = globSync("**/*.ts", { cwd: root })
    .flatMap((file) => readFileSync(new URL(file, root), "utf8").split("\n"))
    .filter((line) => /\bcode: /.test(line))
    .flatMap((line) => line.match(/(?<=")FW\d{4}(?=")/g) ?? []);
  assert.deepEqual([...new Set(used)].sort(), codes.filter((code) => !notThrownYet.includes(code)).sort());
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
}

describe("docs/errors.md", () => {
  test("has a section for every code, in the order of the catalogue, and no other", () => {
    assert.deepEqual([...sections.keys()], codes);
  });

  for (const code of codes) {
    test(`${code} has its title, an explanation and an example`, () => {
      const [, title, ...rest] = (sections.get(code) ?? "").trim().split(/\n\n+/);
      assert.equal(title, `**${errorCatalogue[code]}**`);
      assert.ok(rest.length >= 3, "meaning, remedy and example are three paragraphs");
      const example = rest.at(-1) ?? "";
      assert.match(example, /^```text\n[^A-Z].*\n[\s\S]*\n```$/);
      assert.ok(example.includes(`[${code}, docs/errors.md#${code.toLowerCase()}]`));
    });
  }

  const examples: Partial<Record<ErrorCode, () => unknown>> = {
    FW1001: () => parseNetworkOptions(new Map([["bridgeName", "br0"]])),
    FW1002: () => parseNetworkOptions(new Map([["mtu", "67"]])),
    FW1003: () => parseNetworkOptions(new Map(Object.entries({ masquerade: "false", snat_ipv4: "192.0.2.10" }))),
    FW1004: () => parseNetworkOptions(new Map([["mode", "overlay"]])),
    FW2005: () => resolveConfig({ flags: {}, env: {}, readFile: () => '{"loglevel": "info"}' }),
    FW3003: () => parseIpAddress("10.0.0.01"),
    FW3009: () => refuseEngineIpam(hostNetworkRequest(1, {}, { ipv4: [poolData("172.18.0.0/16")] })),
    FW3010: () => {
      throw poolOverlaps(parsePrefix("10.88.0.0/16"), parsePrefix("10.88.4.0/24"));
    },
    FW3011: () => {
      throw addressTaken(parseIpAddress("10.88.0.2"), parsePrefix("10.88.0.0/24"));
    },
    FW4001: () => {
      throw noAnswer(["http://192.0.2.1:2379: ECONNREFUSED"], false);
    },
    FW4002: () => {
      throw refusedByEtcd(3, "etcdserver: authentication failed, invalid user ID or password");
    },
    FW4003: () => {
      throw fenced("h1", parsePrefix("10.244.0.0/16"), 25 * 3_600_000, 24 * 3_600_000);
    },
    FW4004: () => {
      throw stillThere("h2", signOfLife);
    },
    FW4101: () => {
      throw unreachable("BIRD", "/run/bird/bird.ctl", Object.assign(new Error(), { code: "ENOENT" }));
    },
    FW4102: () => {
      throw daemonRefused("file not included by BIRD", 'put include "/etc/bird/fairway.conf"; into bird.conf');
    },
    FW4103: () => {
      throw notUnderstood('FRR to "show bgp summary json"', "hello");
    },
    FW4104: () => {
      throw unknownSession("torr", ["fairway_tor4", "fairway_tor6"]);
    },
    FW5001: () => parseNetworkId("../../etc"),
    FW9002: () => {
      throw new Error("unexpected end");
    },
  };
  for (const [code, action] of Object.entries(examples)) {
    test(`${code}: the example is the text that users see`, () => {
      assert.ok(sections.get(code)?.includes(`\`\`\`text\n${explain(thrownBy(action))}\n\`\`\``));
    });
  }
});

describe("explain", () => {
  const parts = { code: "FW3004", what: "host port is in use" } as const;

  test("ends in the code, on the line of the fix when there is one", () => {
    assert.equal(explain(new FairwayError(parts)), "host port is in use\n  [FW3004, docs/errors.md#fw3004]");
    assert.equal(
      explain(new FairwayError({ ...parts, why: "because", fix: "stop it" })),
      "host port is in use\n  why: because\n  fix: stop it  [FW3004, docs/errors.md#fw3004]",
    );
  });

  test("foreign errors become FW9002 without their stack", () => {
    const text = explain(new TypeError("x is not a function"));
    assert.match(text, /^internal error: x is not a function\n/);
    assert.match(text, /\[FW9002, docs\/errors\.md#fw9002\]$/);
    assert.doesNotMatch(text, /\bat .*:\d+/);
    assert.match(explain("just text"), /^internal error: just text\n/);
    assert.match(explain(undefined), /^internal error: undefined\n/);
  });

  test("has one line per part, whatever the parts contain", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (what, why) => {
        const text = explain(new FairwayError({ code: "FW1002", what, why, fix: why }));
        assert.equal(text.split("\n").length, 3);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
        assert.doesNotMatch(text.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
    );
  });

  test("no error text is longer than a few lines for hostile values", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 4096 }), (text) => {
        for (const key of ["mtu", "mode", "bridge_name", "publish_address", text]) {
          const error = defectOf(() => parseNetworkOptions(new Map([[key, text]])));
          assert.ok(error === undefined || explain(error).length < 1100);
        }
      }),
    );
  });
});

function defectOf(action: () => unknown): FairwayError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof FairwayError, String(error));
    return error;
  }
}

test("printable replaces what could forge lines or terminal sequences, and nothing else", () => {
  assert.equal(printable("a\nb\tc\u001b[2Jd\u007f\u009b\u2028e"), "a\ufffdb\ufffdc\ufffd[2Jd\ufffd\ufffd\ufffde");
  assert.equal(printable("Grüße, 世界 🛥"), "Grüße, 世界 🛥");
});

test("a defect keeps its cause for the log", () => {
  const cause = new Error("boom");
  assert.equal(defect(cause).cause, cause);
});
