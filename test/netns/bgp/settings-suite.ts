import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { DaemonKind } from "../../../src/bgp/settings.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { Bird } from "../../lab/bird.ts";
import { waitFor } from "../../lab/wait.ts";
import { fullPlan } from "../../unit/bgp/plans.ts";
import { ipHere } from "../kernel/sandbox.ts";
import { deadlineMs, foreignRoutes, mark, ours, route, untilAtTor, untilEstablished } from "./expect.ts";
import { buildWorld, peers, planOf, textOf, torAddresses, type World } from "./rig.ts";

const password = "p4ss!word#with$signs";

/** The command line on a real daemon: a password, BFD, and what people read. */
export function commandSuite(kind: DaemonKind): void {
  describe(`fairway bgp with ${kind}, a password and BFD`, () => {
    let world: World;
    before(async () => {
      world = await buildWorld(kind, { torExtra: `bfd on; password "${password}";` });
      await ipHere(...ours.map((prefix) => route(prefix, mark)), ...foreignRoutes(kind));
    });
    after(async () => {
      await world[Symbol.asyncDispose]();
    });

    async function fairway(...words: readonly string[]): Promise<string> {
      const passwordFile = join(world.directory, "password");
      const config = join(world.directory, "config.json");
      writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
      const secured = peers.map((peer) => ({ ...peer, bfd: true, passwordFile }));
      const controlSocket = "controlSocket" in world.host ? world.host.controlSocket : world.host.directory;
      const bgp = { daemon: kind, controlSocket, localAs: 65011, routerId: "10.99.0.11", peers: secured };
      writeFileSync(config, JSON.stringify({ bgp }));
      const printed: string[] = [];
      const surroundings = { version: "0", env: {}, print: (text: string) => void printed.push(text) };
      const argv = ["node", "fairway", "bgp", ...words, "--config", config];
      await createProgram(surroundings as never).parseAsync(argv);
      return printed.join("\n");
    }

    test("config prints no password unless it is told to", async () => {
      assert.ok(!(await fairway("config")).includes(password));
      assert.ok((await fairway("config", "--with-passwords")).includes(password));
    });

    test("apply loads the text and keeps the file from other users", async () => {
      assert.equal(await fairway("apply", "--file", world.includeFile), `${world.includeFile} is loaded`);
      assert.equal(statSync(world.includeFile).mode & 0o007, 0);
      await untilEstablished(world);
      await untilAtTor(world, ours);
    });

    test("BFD watches both sessions", async () => {
      await waitFor(
        async () => (await world.tor.ask("show", "bfd", "sessions")).match(/ Up /g)?.length === 2,
        deadlineMs,
        "two BFD sessions at the ToR",
      );
    });

    test("status tells what is announced, as text and as JSON", async () => {
      const text = await fairway("status");
      assert.match(text, new RegExp(`^${kind} at /.* {3}routes of fairway learnt: 2\n`));
      assert.match(text, /^(fairway_)?tor4 +10\.99\.0\.1 +65000 +established +\d+ (s|min) +1 +1 +2$/m);
      assert.match(text, /^(fairway_)?tor6 +fd99::1 +65000 +established +\d+ (s|min) +1 +1 +0$/m);
      const json = JSON.parse(await fairway("status", "--json"));
      assert.deepEqual([json.apiVersion, json.daemon, json.learnt, json.sessions.length], ["v1", kind, 2, 2]);
    });

    test("drain takes the host out, undrain puts it back; a peer's name is that of the configuration", async () => {
      await fairway("drain");
      await untilAtTor(world, []);
      assert.match(await fairway("status"), /tor4 .* drained \(/);
      await fairway("undrain", "--peer", "tor6");
      await untilAtTor(world, ours.slice(1));
      await fairway("undrain");
      await untilAtTor(world, ours);
      await assert.rejects(fairway("drain", "--peer", "torr"), { code: "FW4104" });
    });
  });
}

const ownConfig = {
  bird: `
protocol kernel { learn; ipv4 { import filter fairway_learn4; export where source = RTS_BGP; }; }
protocol kernel { learn; ipv6 { import filter fairway_learn6; export where source = RTS_BGP; }; }
protocol bgp own4 { local as 65011; neighbor ${torAddresses.ipv4} as 65000; connect delay time 1;
  ipv4 { import all; export filter fairway_export4; next hop self; }; }
protocol bgp own6 { local as 65011; neighbor ${torAddresses.ipv6} as 65000; connect delay time 1;
  ipv6 { import all; export where fairway_ours(); next hop self; }; }
`,
  frr: `
router bgp 65011
 no bgp ebgp-requires-policy
 neighbor ${torAddresses.ipv4} remote-as 65000
 neighbor ${torAddresses.ipv6} remote-as 65000
 neighbor ${torAddresses.ipv4} timers connect 1
 neighbor ${torAddresses.ipv6} timers connect 1
 address-family ipv4 unicast
  redistribute kernel route-map FAIRWAY-LEARN4
  neighbor ${torAddresses.ipv4} route-map FAIRWAY-EXPORT4 out
  no neighbor ${torAddresses.ipv6} activate
 exit-address-family
 address-family ipv6 unicast
  redistribute kernel route-map FAIRWAY-LEARN6
  neighbor ${torAddresses.ipv6} activate
  neighbor ${torAddresses.ipv6} route-map FAIRWAY-EXPORT6 out
 exit-address-family
exit
`,
} as const;

/** Graceful restart of BIRD, whose starter can say -R. */
export function restartSuite(): void {
  describe("bird on the host, killed", () => {
    test("leaves its routes at the ToR, and has them again with those that came meanwhile", async () => {
      await using world = await buildWorld("bird");
      const { host, tor } = world;
      assert.ok(host instanceof Bird);
      await ipHere(...ours.map((prefix) => route(prefix, mark)));
      await world.port.apply(textOf(planOf("bird")));
      await untilEstablished(world);
      await untilAtTor(world, ours);
      await host.process.end("SIGKILL");
      const lost = async (): Promise<boolean> =>
        !/host[46] .*Established[\s\S]*host[46] .*Established/.test(await tor.ask("show", "protocols"));
      await waitFor(lost, deadlineMs, "the ToR to notice");
      await untilAtTor(world, ours);
      await ipHere(route("10.244.0.9/32", mark));
      await host.restart(true);
      await untilEstablished(world);
      await untilAtTor(world, [...ours, "10.244.0.9/32"]);
    });
  });
}

/** Every statement that a text can have. */
export function everythingSuite(kind: DaemonKind): void {
  describe(`${kind} with everything that a text can have`, () => {
    test("takes every line of it, and gives up every line that the next text does not have", async () => {
      await using world = await buildWorld(kind);
      const full = textOf(fullPlan(kind));
      await world.port.apply(full);
      await world.port.apply(full);
      const names = (await world.port.sessions()).map(({ name }) => name.replace("fairway_", ""));
      assert.deepEqual(names.toSorted(), ["far", "tor4", "tor6"]);
      if (kind === "frr") {
        const running = await world.host.ask("show running-config");
        assert.deepEqual(missingLines(full, running), []);
        await world.port.apply(textOf(fullPlan(kind, { localAs: undefined, peers: [] })));
        assert.doesNotMatch(await world.host.ask("show running-config"), /neighbor|redistribute|FAIRWAY-(OUT|IN|TO)/);
      } else {
        await world.port.apply(textOf(fullPlan(kind, { localAs: undefined, peers: [] })));
      }
      assert.deepEqual(await world.port.sessions(), []);
    });
  });
}

/** FRR drops what it does not understand and may say nothing. Activation for IPv4 is its default and is not shown. */
function missingLines(text: string, running: string): readonly string[] {
  const lines = (of: string): string[] => of.split("\n").map((line) => line.trim());
  const has = new Set(lines(running));
  return lines(text).filter((line) => !/^(!|exit|$|neighbor [\d.]+ activate$)/.test(line) && !has.has(line));
}

/** Filters from fairway, everything else from the operator. */
export function ownSessionsSuite(kind: DaemonKind): void {
  describe(`${kind} with sessions and kernel protocols of the operator`, () => {
    test("announces exactly ours by fairway's filters", async () => {
      // BIRD does not start with filters that are not there, so its own part comes with the first text.
      await using world = await buildWorld(kind, kind === "frr" ? { hostExtra: ownConfig.frr } : {});
      await ipHere(...ours.map((prefix) => route(prefix, mark)), ...foreignRoutes(kind));
      const { localAs: _, ...plan } = planOf(kind, { peers: [] });
      const own = kind === "bird" ? ownConfig.bird : "";
      await world.port.apply(`${textOf(plan)}${own}`);
      await untilEstablished(world);
      await untilAtTor(world, ours);
      const neighbors = (await world.port.sessions()).map(({ neighbor }) => neighbor);
      assert.deepEqual(neighbors.toSorted(), [torAddresses.ipv4, torAddresses.ipv6].toSorted());
    });
  });
}
