import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, beforeEach, describe, test } from "node:test";
import { FairwayError } from "../../../../src/errors.ts";
import { DockerUserChain } from "../../../../src/kernel/engine-firewall/docker-user.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { run } from "../../../lab/exec.ts";
import { addresses, buildSmallWorld } from "../host.ts";
import { ipHere } from "../sandbox.ts";

const chain = "FAIRWAY-FORWARD";
const linkGroup = 0xfa17;

/** What engines of all ages leave behind: their own chain with rules of the administrator, and the policy DROP. */
const engineRules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -s 203.0.113.0/24 -m comment --comment "keep: -j FAIRWAY" -j DROP
-A DOCKER-USER -j RETURN
COMMIT
`;
const plainRules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";

/** The same tests for both implementations of iptables; each runs in a namespace of its own. */
export function testEngineFirewall(kind: "nft" | "legacy"): void {
  const transport = new WorkerTransport();
  let uplink: string | undefined = "eth0";
  const dockerUser = new DockerUserChain(transport, { chain, linkGroup, uplink: () => Promise.resolve(uplink) });
  const families = ["iptables", "ip6tables"] as const;

  async function load(rules: string): Promise<void> {
    await run([`iptables-${kind}-restore`], { stdin: rules });
    await run([`ip6tables-${kind}-restore`], { stdin: rules.replace("203.0.113.0/24", "2001:db8:113::/48") });
  }

  /** Bytes of both filter tables without the lines that carry the time. */
  async function saved(): Promise<string> {
    const texts = await Promise.all(families.map((family) => run([`${family}-${kind}-save`])));
    return texts
      .join("")
      .replace(/^#.*\n/gm, "")
      .replace(/\[\d+:\d+\]/g, "[0:0]");
  }

  async function rulesOf(name: string, family: (typeof families)[number] = "iptables"): Promise<string[]> {
    return (await run([`${family}-${kind}`, "-S", name])).trim().split("\n").slice(1);
  }

  async function alter(...args: string[]): Promise<void> {
    await run([`iptables-${kind}`, ...args]);
  }

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
      uplink = "eth0";
      await dockerUser.retract();
      await load(engineRules);
    });

    test("our chain is called first and once, in both families", async () => {
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      for (const family of families) {
        const [first, ...others] = await rulesOf("DOCKER-USER", family);
        assert.equal(first, `-A DOCKER-USER -j ${chain}`);
        assert.equal(others.length, 2);
        assert.deepEqual(await rulesOf(chain, family), [
          `-A ${chain} -m devgroup --dst-group 0xfa17 -j ACCEPT`,
          `-A ${chain} -o docker+ -j RETURN`,
          `-A ${chain} -o br-+ -j RETURN`,
          `-A ${chain} -o virbr+ -j RETURN`,
          `-A ${chain} -m devgroup --src-group 0xfa17 -j ACCEPT`,
        ]);
      }
    });

    test("retracting leaves the engine's bytes as they were", async () => {
      const before = await saved();
      await dockerUser.admit();
      assert.notEqual(await saved(), before);
      await dockerUser.retract();
      assert.equal(await saved(), before);
      await dockerUser.retract();
      assert.equal(await saved(), before);
    });

    test("admitting again writes nothing", async () => {
      await dockerUser.admit();
      await alter("-Z", chain);
      // A rule that is written again gets another handle; legacy iptables has none to show.
      const before = kind === "nft" ? await run(["nft", "-a", "list", "ruleset"]) : await saved();
      await dockerUser.admit();
      assert.equal(kind === "nft" ? await run(["nft", "-a", "list", "ruleset"]) : await saved(), before);
    });

    test("several admissions at once end in one jump", async () => {
      await Promise.all(Array.from({ length: 4 }, () => dockerUser.admit()));
      const jumps = (await rulesOf("DOCKER-USER")).filter((rule) => rule.endsWith(`-j ${chain}`));
      assert.equal(jumps.length, 1);
    });

    test("an uplink that looks like an engine's bridge is let through", async () => {
      uplink = "br-lan";
      await dockerUser.admit();
      assert.equal((await rulesOf(chain))[1], `-A ${chain} -o br-lan -m devgroup --src-group 0xfa17 -j ACCEPT`);
      assert.equal(await dockerUser.isAdmitted(), true);
      uplink = "eth0";
      await dockerUser.admit();
      assert.equal((await rulesOf(chain)).length, 5);
    });

    const disturbances: [string, string[]][] = [
      ["a flushed DOCKER-USER", ["-F", "DOCKER-USER"]],
      ["a lost jump", ["-D", "DOCKER-USER", "1"]],
      ["a second jump", ["-A", "DOCKER-USER", "-j", chain]],
      ["a lost rule", ["-D", chain, "2"]],
      ["a foreign rule", ["-I", chain, "-j", "RETURN"]],
      ["our chain flushed", ["-F", chain]],
    ];
    for (const [what, args] of disturbances) {
      test(`${what} is noticed and put right`, async () => {
        await dockerUser.admit();
        const wanted = await saved();
        await alter(...args);
        assert.equal(await dockerUser.isAdmitted(), false);
        await dockerUser.admit();
        assert.equal(await dockerUser.isAdmitted(), true);
        // What the disturbance took from the administrator stays away.
        const found = await saved();
        assert.equal(onlyOurs(found), onlyOurs(wanted));
      });
    }

    test("a jump behind other rules is moved to the front", async () => {
      await dockerUser.admit();
      const wanted = await saved();
      await alter("-D", "DOCKER-USER", "-j", chain);
      await alter("-A", "DOCKER-USER", "-j", chain);
      await dockerUser.admit();
      assert.equal(await saved(), wanted);
    });

    test("an engine that comes later, or comes back empty, is noticed", async () => {
      await load(plainRules);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
      await load(engineRules);
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      await load(engineRules);
      assert.equal(await dockerUser.isAdmitted(), false);
      await dockerUser.admit();
      assert.equal(await dockerUser.isAdmitted(), true);
    });

    test("our traffic passes the engine's DROP, everybody else's does not", async () => {
      await using world = await buildSmallWorld();
      await world.first.serve("tcp", 80, "first");
      await world.client.serve("tcp", 80, "client");
      await ipHere("link set br0 group 0xfa17");
      await world.client.ip(
        `route add 10.88.0.0/24 via ${addresses.host.ipv4}`,
        `route add fd00:88::/64 via ${addresses.host.ipv6}`,
      );
      const quick = { timeoutMs: 500 };
      for (const family of ["ipv4", "ipv6"] as const) {
        const [inside, outside] = [addresses.first[family], addresses.client[family]];
        const reach = async (): Promise<string[]> => [
          await world.client.ask("tcp", inside, 80, quick),
          await world.first.ask("tcp", outside, 80, quick),
        ];
        await dockerUser.retract();
        assert.deepEqual(await reach(), ["timeout", "timeout"]);
        await dockerUser.admit();
        assert.deepEqual(await reach(), [`first ${outside}`, `client ${inside}`]);
        await ipHere("link set br0 group 0");
        assert.deepEqual(await reach(), ["timeout", "timeout"]);
        await ipHere("link set br0 group 0xfa17");
      }
      // Into a bridge of the engine, its own rules decide.
      await ipHere("link set up0 down", "link set up0 name docker1", "link set docker1 up");
      await ipHere(`route replace ${addresses.client.ipv4} dev docker1`);
      assert.equal(await world.first.ask("tcp", addresses.client.ipv4, 80, quick), "timeout");
    });

    test("without the program, an engine that may drop is a problem, one that lets pass is not", async () => {
      const isMissing = (error: unknown): boolean => error instanceof FairwayError && error.code === "FW2001";
      {
        await using _ = await withoutIptables();
        await assert.rejects(() => dockerUser.admit(), isMissing);
      }
      await run([`iptables-${kind}`, "-P", "FORWARD", "ACCEPT"]);
      await run([`ip6tables-${kind}`, "-P", "FORWARD", "ACCEPT"]);
      await using _ = await withoutIptables();
      if (kind === "nft") {
        await dockerUser.admit();
      } else {
        // Only the program itself could tell the policy.
        await assert.rejects(() => dockerUser.admit(), isMissing);
      }
    });
  });

  function onlyOurs(text: string): string {
    return text
      .split("\n")
      .filter((line) => line.includes(chain) && !line.includes("--comment"))
      .join("\n");
  }
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
