/** Who reaches whom when containers share the host's address, and whom the called one sees. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { far } from "../far.ts";
import { addresses } from "../host.ts";
import { askHere, Sandbox } from "../sandbox.ts";
import { buildSharedWorld, type SharedWorld } from "./world.ts";

const { host, client, first } = addresses;
const loopback = { ipv4: "127.0.0.1", ipv6: "::1" } as const;
const quick = { timeoutMs: 700 };
let world: SharedWorld;
/** In the test's own namespace. */
let hostServices: Sandbox;

before(async () => {
  world = await buildSharedWorld();
  hostServices = await Sandbox.here();
  for (const protocol of ["tcp", "udp"] as const) {
    for (const [sandbox, port, name] of [
      [world.shop.sandbox, 80, "shop"],
      [world.shop.sandbox, 7000, "unclaimed"],
      [world.mail.sandbox, 81, "mail"],
      [world.client, 90, "client"],
      [world.far, 90, "far"],
      [hostServices, 82, "host"],
    ] as const) {
      await sandbox.serve(protocol, port, name);
    }
    await world.shop.sandbox.serve(protocol, 7001, "own", "127.0.0.1");
  }
});

/** The answers, each asked for when the one before has come. */
async function inTurn(asks: readonly (() => Promise<string>)[]): Promise<string[]> {
  const answers: string[] = [];
  for (const ask of asks) {
    answers.push(await ask());
  }
  return answers;
}

after(async () => {
  await hostServices[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

for (const protocol of ["tcp", "udp"] as const) {
  for (const family of ["ipv4", "ipv6"] as const) {
    describe(`${protocol} over ${family}`, () => {
      test("callers outside reach a claimed port, and are seen as who they are", async () => {
        assert.equal(await world.client.ask(protocol, host[family], 80), `shop ${client[family]}`);
        assert.equal(await world.client.ask(protocol, host[family], 81), `mail ${client[family]}`);
        assert.equal(await world.far.ask(protocol, host[family], 80), `shop ${far[family]}`);
      });

      test("a port that nobody claims is the host's own", async () => {
        assert.equal(await world.client.ask(protocol, host[family], 82), `host ${client[family]}`);
        assert.equal(await world.client.ask(protocol, host[family], 7000), "ECONNREFUSED");
      });

      test("a container calls the world from the host's address", async () => {
        assert.equal(await world.shop.sandbox.ask(protocol, client[family], 90), `client ${host[family]}`);
        assert.equal(await world.mail.sandbox.ask(protocol, far[family], 90), `far ${host[family]}`);
      });

      test("a program of the host reaches a claimed port by the host's address and by loopback", async () => {
        assert.equal(await askHere(protocol, host[family], 80), `shop ${host[family]}`);
        assert.equal(await askHere(protocol, loopback[family], 80), `shop ${host[family]}`);
        assert.equal(await askHere(protocol, loopback[family], 81), `mail ${host[family]}`);
      });

      test("a container reaches the host, another container and itself by the host's address", async () => {
        const { sandbox } = world.shop;
        assert.equal(await sandbox.ask(protocol, host[family], 82), `host ${host[family]}`);
        assert.equal(await sandbox.ask(protocol, host[family], 81), `mail ${host[family]}`);
        assert.equal(await sandbox.ask(protocol, host[family], 80), `shop ${host[family]}`);
        assert.equal(await sandbox.ask(protocol, host[family], 7000), "ECONNREFUSED");
      });

      test("a container's own loopback stays its own", async () => {
        assert.match(await world.shop.sandbox.ask(protocol, loopback[family], 80), /^shop /);
        assert.equal(await world.shop.sandbox.ask(protocol, "127.0.0.1", 7001), "own 127.0.0.1");
        assert.equal(await world.mail.sandbox.ask(protocol, loopback[family], 80), "ECONNREFUSED");
      });

      test("a container on a bridge reaches a claimed port from its own address", async () => {
        assert.equal(await world.first.ask(protocol, host[family], 80), `shop ${first[family]}`);
        assert.equal(await world.first.ask(protocol, host[family], 7000, quick), "ECONNREFUSED");
      });

      test("two containers and the host call the same server from the same port", async () => {
        const options = { fromPort: 5005 };
        const asks = [
          () => world.shop.sandbox.ask(protocol, client[family], 90, options),
          () => world.mail.sandbox.ask(protocol, client[family], 90, options),
          () => askHere(protocol, client[family], 90, options),
        ];
        // Of first packets that leave in the same moment the kernel may drop one (__nf_conntrack_confirm() finds the translated
        // tuple taken). TCP says it again; a datagram comes after the flows of those before it.
        const answers = protocol === "tcp" ? await Promise.all(asks.map((ask) => ask())) : await inTurn(asks);
        assert.deepEqual(answers, Array(3).fill(`client ${host[family]}`));
      });
    });
  }
}

for (const family of ["ipv4", "ipv6"] as const) {
  test(`${family}: packets in many pieces arrive whole`, async () => {
    const large = { bytes: 20_000 };
    assert.equal(await world.client.ask("udp", host[family], 80, large), `shop ${client[family]}`);
    assert.equal(await world.shop.sandbox.ask("udp", client[family], 90, large), `client ${host[family]}`);
    assert.equal(await world.shop.sandbox.ask("udp", host[family], 81, large), `mail ${host[family]}`);
    assert.equal(await askHere("udp", host[family], 80, large), `shop ${host[family]}`);
  });
}

for (const [family, option] of [
  ["ipv4", "-4"],
  ["ipv6", "-6"],
] as const) {
  test(`${family}: a container's ping reaches the world and the host`, async () => {
    for (const address of [client[family], far[family], host[family]]) {
      await world.shop.sandbox.exec("ping", option, "-n", "-c", "1", "-W", "3", address);
      await world.mail.sandbox.exec("ping", option, "-n", "-c", "1", "-W", "3", address);
    }
  });
}
