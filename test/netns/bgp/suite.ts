import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { DaemonKind } from "../../../src/bgp/settings.ts";
import { run } from "../../lab/exec.ts";
import { waitFor } from "../../lab/wait.ts";
import { ipHere } from "../kernel/sandbox.ts";
import { atTor, block, deadlineMs, foreignRoutes, mark, ours, route, untilAtTor, untilEstablished } from "./expect.ts";
import { buildWorld, peers, planOf, textOf, torAddresses, type World } from "./rig.ts";

/** The same expectations of either daemon as the host's; the ToR is BIRD. */
export function announcementSuite(kind: DaemonKind): void {
  const sessionOf = (peer: string): string => (kind === "bird" ? `fairway_${peer}` : peer);

  describe(`${kind} on the host`, () => {
    let world: World;
    before(async () => {
      world = await buildWorld(kind);
      await ipHere(...[...ours, ...block].map((prefix) => route(prefix, mark)), ...foreignRoutes(kind));
      await world.port.apply(textOf(planOf(kind)));
      await untilEstablished(world);
    });
    after(async () => {
      await world[Symbol.asyncDispose]();
    });

    test("announces routes with our mark and no others, of both families", async () => {
      await untilAtTor(world, [...ours, ...block]);
      assert.deepEqual([...(await world.port.announced())].sort(), [...ours, ...block].sort());
    });

    test("puts communities on them, and no trace of the metric", async () => {
      const shown = await world.tor.ask("show", "route", "10.244.0.1/32", "all");
      assert.match(shown, /BGP\.community: \(65000,100\)/);
      assert.match(shown, /BGP\.large_community: \(65011, 1, 2\)/);
      assert.doesNotMatch(shown, /9900/);
    });

    test("announces what comes later, withdraws what goes", async () => {
      await ipHere(route("10.244.0.9/32", mark), route("fd00:244::9/128", mark));
      await untilAtTor(world, [...ours, ...block, "10.244.0.9/32", "fd00:244::9/128"]);
      await ipHere("route del 10.244.0.9/32", "route del fd00:244::9/128");
      await untilAtTor(world, [...ours, ...block]);
    });

    test("takes what the peer announces into the kernel", async () => {
      const shown = async (): Promise<boolean> =>
        (await run(["ip", "route", "show", "198.51.100.0/24"])).includes(`via ${torAddresses.ipv4}`);
      await waitFor(shown, deadlineMs, "the peer's route in the kernel");
    });

    test("tells about its sessions", async () => {
      await untilAtTor(world, [...ours, ...block]);
      const sessions = await world.port.sessions();
      const [tor4, tor6] = peers.map(({ name }) => sessions.find((session) => session.name === sessionOf(name)));
      assert.equal(sessions.length, 2);
      for (const [session, address] of [
        [tor4, torAddresses.ipv4],
        [tor6, torAddresses.ipv6],
      ] as const) {
        assert.deepEqual(
          { ...session, upSeconds: typeof session?.upSeconds, received: undefined },
          {
            name: session?.name,
            neighbor: address,
            remoteAs: 65000,
            state: "established",
            detail: "",
            upSeconds: "number",
            announced: 2,
            ours: 2,
            received: undefined,
          },
        );
      }
      assert.equal(tor4?.received, 2);
      assert.equal(tor6?.received, 0);
    });

    test("a text that it refuses changes nothing, on disk neither", async () => {
      const before = readFileSync(world.includeFile, "utf8");
      const broken = `${before}\nthis is no configuration {\n`;
      await assert.rejects(world.port.apply(broken), { code: "FW4102", message: /^configuration refused by / });
      assert.equal(readFileSync(world.includeFile, "utf8"), before);
      assert.ok((await world.port.sessions()).every(({ state }) => state === "established"));
      assert.deepEqual(await atTor(world), [...ours, ...block].sort());
    });

    test("the same text again does not touch the sessions", async () => {
      const since = await sessionStarts(world);
      await world.port.apply(textOf(planOf(kind)));
      assert.deepEqual(await sessionStarts(world), since);
    });

    test("drain ends one session, undrain brings it back", async () => {
      await world.port.drain(sessionOf("tor4"));
      await untilAtTor(world, [ours[1], block[1]].map(String));
      const drained = (await world.port.sessions()).find(({ name }) => name === sessionOf("tor4"));
      assert.equal(drained?.state, "drained");
      assert.equal(drained?.ours, 0);
      await world.port.undrain(sessionOf("tor4"));
      await untilAtTor(world, [...ours, ...block]);
    });

    test("a session that is not there cannot be drained", async () => {
      for (const name of ["nobody", 'x"; configure "/etc/passwd', "tor4 shutdown\nend", ""]) {
        await assert.rejects(world.port.drain(name), { code: "FW4104" });
      }
    });

    test("limits of the flat space and of a peer hold, and can be lifted again", async () => {
      const [tor4, tor6] = peers;
      const limited = { peers: [{ ...tor4, exportPrefixes: ["10.244.8.0/24"], communities: [] }, tor6] };
      await world.port.apply(textOf(planOf(kind, limited, ["10.244.0.0/16", "fd00:244:8::/48"])));
      await untilAtTor(world, [...block]);
      const shown = await world.tor.ask("show", "route", String(block[0]), "all");
      assert.doesNotMatch(shown, /community/);
      await world.port.apply(textOf(planOf(kind)));
      await untilAtTor(world, [...ours, ...block]);
    });

    test("a flat space of one family leaves nothing of the other", async () => {
      await world.port.apply(textOf(planOf(kind, {}, ["fd00:244::/32"])));
      await untilAtTor(world, [ours[1], block[1]].map(String));
      await world.port.apply(textOf(planOf(kind)));
      await untilAtTor(world, [...ours, ...block]);
    });

    test("a peer that is gone from the text loses its session", async () => {
      await world.port.apply(textOf(planOf(kind, { peers: peers.slice(1) })));
      await untilAtTor(world, [ours[1], block[1]].map(String));
      assert.deepEqual(
        (await world.port.sessions()).map(({ name }) => name),
        [sessionOf("tor6")],
      );
      await world.port.apply(textOf(planOf(kind)));
      await untilAtTor(world, [...ours, ...block]);
    });

    test("a peer's route to a container of this host does not take its place", async () => {
      await world.tor.ask("configure", `"${await torThatClaims(world, "10.244.0.1/32")}"`);
      await waitFor(
        async () => (await world.port.sessions()).some(({ received }) => received === 3),
        deadlineMs,
        "the rival route to arrive",
      );
      const first = (await run(["ip", "route", "get", "10.244.0.1"])).split("\n")[0] ?? "";
      assert.match(first, /dev fw0/);
      assert.ok((await atTor(world)).includes("10.244.0.1/32"));
    });

    test("a burst of a thousand routes arrives whole", async () => {
      const many = Array.from({ length: 1000 }, (_, index) => `10.244.${100 + (index >> 8)}.${index & 255}/32`);
      await ipHere(...many.map((prefix) => route(prefix, mark)));
      await waitFor(async () => (await atTor(world)).length === 1000 + 4, deadlineMs, "a thousand routes at the ToR");
      await ipHere(...many.map((prefix) => `route del ${prefix}`));
      await untilAtTor(world, [...ours, ...block]);
    });
  });
}

async function sessionStarts({ tor }: World): Promise<readonly string[]> {
  return (await tor.ask("show", "protocols")).split("\n").filter((line) => line.startsWith("host"));
}

/** A configuration of the ToR in which it announces this prefix itself. */
async function torThatClaims({ tor }: World, prefix: string): Promise<string> {
  const path = `${tor.directory}/claims.conf`;
  const text = readFileSync(`${tor.directory}/bird.conf`, "utf8");
  await run(["tee", path], { stdin: text.replace("route 0.0.0.0/0", `route ${prefix} unreachable; route 0.0.0.0/0`) });
  return path;
}
