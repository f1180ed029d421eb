import "../isolation.ts";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, beforeEach, describe, test } from "node:test";
import { FairwayError } from "../../../../src/errors.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { run } from "../../../lab/exec.ts";
import {
  chain,
  createDockerUser,
  EngineFilter,
  engineRules,
  type Kind,
  laterEngineRules,
  type Program,
  plainRules,
  programs,
} from "./rig.ts";

const jump = `-A DOCKER-USER -j ${chain}`;
const back = "-A DOCKER-USER -j RETURN";

/** The same tests for both implementations of iptables; each runs in a namespace of its own. */
export function testEngineFirewall(kind: Kind): void {
  const transport = new WorkerTransport();
  const dockerUser = createDockerUser(transport);
  const filter = new EngineFilter(kind);

  after(() => transport[Symbol.asyncDispose]());

  test("nothing happens where no engine is: no chain, and no table either", async () => {
    await dockerUser.admit();
    assert.equal(await dockerUser.isAdmitted(), true);
    await dockerUser.retract();
    assert.equal(await run(["nft", "list", "ruleset"]), "");
    assert.equal(legacyTables(), "");
  });

  describe("with an engine", () => {
    beforeEach(async () => {
      await dockerUser.retract();
      await filter.load(engineRules);
    });

    async function engineChainOf(program: Program): Promise<[string[], string[]]> {
      return [await filter.rulesOf("DOCKER-USER", program), await filter.rulesOf(chain, program)];
    }

    test("our chain is called once, behind the administrator's rules and before the end, in both families", async () => {
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      for (const program of programs) {
        const [[first, ...others], own] = await engineChainOf(program);
        assert.match(first ?? "", /-s (203\.0\.113\.0\/24|2001:db8:113::\/48) .*-j DROP$/);
        assert.deepEqual(others, [jump, back]);
        assert.deepEqual(own, [`-A ${chain} -m mark --mark 0x4000000/0x4000000 -j ACCEPT`]);
      }
    });

    test("without a last RETURN our chain is called last", async () => {
      await filter.load(laterEngineRules);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      for (const program of programs) {
        const [[first, ...others]] = await engineChainOf(program);
        assert.match(first ?? "", /-j DROP$/);
        assert.deepEqual(others, [jump]);
      }
    });

    test("an engine's chain without any rule gets the jump alone", async () => {
      await filter.load(engineRules.replaceAll(/^-A DOCKER-USER .*\n/gm, ""));
      await dockerUser.admit();
      assert.deepEqual(await filter.rulesOf("DOCKER-USER"), [jump]);
      assert.equal(await dockerUser.isAdmitted(), true);
    });

    test("retracting leaves the engine's bytes as they were", async () => {
      for (const rules of [engineRules, laterEngineRules]) {
        await filter.load(rules);
        const before = await filter.saved();
        await dockerUser.admit();
        assert.notEqual(await filter.saved(), before);
        await dockerUser.retract();
        assert.equal(await filter.saved(), before);
        await dockerUser.retract();
        assert.equal(await filter.saved(), before);
      }
    });

    test("admitting again writes nothing", async () => {
      await dockerUser.admit();
      await filter.alter(["-Z", chain]);
      // A rule that is written again gets another handle; legacy iptables has none to show.
      const look = (): Promise<string> => (kind === "nft" ? run(["nft", "-a", "list", "ruleset"]) : filter.saved());
      const before = await look();
      await dockerUser.admit();
      assert.equal(await look(), before);
    });

    test("several admissions at once end in one jump", async () => {
      await Promise.all(Array.from({ length: 4 }, () => dockerUser.admit()));
      const jumps = (await filter.rulesOf("DOCKER-USER")).filter((rule) => rule === jump);
      assert.equal(jumps.length, 1);
    });

    const disturbances: [string, string[]][] = [
      ["a flushed DOCKER-USER", ["-F", "DOCKER-USER"]],
      ["a lost jump", ["-D", "DOCKER-USER", "-j", chain]],
      ["a second jump", ["-A", "DOCKER-USER", "-j", chain]],
      ["a foreign rule", ["-I", chain, "-j", "RETURN"]],
      ["our chain flushed", ["-F", chain]],
    ];
    for (const [what, args] of disturbances) {
      test(`${what} is noticed and put right`, async () => {
        await dockerUser.admit();
        const wanted = await filter.saved();
        await filter.alter(args);
        assert.equal(await dockerUser.isAdmitted(), false);
        await dockerUser.admit();
        assert.equal(await dockerUser.isAdmitted(), true);
        // What the disturbance took from the administrator stays away.
        const found = await filter.saved();
        assert.equal(onlyOurs(found), onlyOurs(wanted));
      });
    }

    for (const [where, args] of [
      ["to the front", ["-I", "DOCKER-USER", "-j", chain]],
      ["behind the end", ["-A", "DOCKER-USER", "-j", chain]],
    ] as const) {
      test(`a jump that was moved ${where} is moved back`, async () => {
        await dockerUser.admit();
        const wanted = await filter.saved();
        await filter.alter(["-D", "DOCKER-USER", "-j", chain]);
        await filter.alter(args);
        await dockerUser.admit();
        assert.equal(await filter.saved(), wanted);
      });
    }

    test("a rule that the administrator adds behind the jump is noticed, and the jump goes behind it", async () => {
      await filter.load(laterEngineRules);
      await dockerUser.admit();
      await filter.alter(["-A", "DOCKER-USER", "-s", "198.51.100.0/24", "-j", "DROP"]);
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      const [, ...others] = await filter.rulesOf("DOCKER-USER");
      assert.deepEqual(others, ["-A DOCKER-USER -s 198.51.100.0/24 -j DROP", jump]);
    });

    test("an engine that comes later, or comes back empty, is noticed", async () => {
      await filter.load(plainRules);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      await filter.load(engineRules);
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      await filter.load(engineRules);
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
    });

    test("without the program, an engine that may drop is a problem, one that lets pass is not", async () => {
      const isMissing = (error: unknown): boolean => error instanceof FairwayError && error.code === "FW2001";
      {
        await using _ = await withoutIptables();
        await assert.rejects(() => dockerUser.admit(), isMissing);
      }
      for (const program of programs) {
        await filter.alter(["-P", "FORWARD", "ACCEPT"], program);
      }
      await using _ = await withoutIptables();
      if (kind === "nft") {
        await dockerUser.admit();
      } else {
        // Only the program itself could tell the policy.
        await assert.rejects(() => dockerUser.admit(), isMissing);
      }
    });
  });
}

function onlyOurs(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.includes(chain) && !line.includes("--comment"))
    .join("\n");
}

function legacyTables(): string {
  return ["ip_tables_names", "ip6_tables_names"].map((name) => readFileSync(`/proc/net/${name}`, "utf8")).join("");
}

/** Hides the programs from this test's mount namespace only. */
async function withoutIptables(): Promise<AsyncDisposable> {
  const hidden = readdirSync("/usr/sbin").filter((name) => /^(x|ip6?)tables/.test(name));
  assert.ok(hidden.length > 0);
  await run(["mount", "-t", "tmpfs", "tmpfs", "/usr/sbin"]);
  return {
    [Symbol.asyncDispose]: async () => {
      await run(["/usr/bin/umount", "/usr/sbin"]);
    },
  };
}
