import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../../../../src/kernel/nft/nfnetlink-nft.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { addresses, buildSmallWorld, type SmallWorld, writeSysctl } from "../host.ts";
import { askHere, ipHere } from "../sandbox.ts";

const transport = new WorkerTransport();
const nft = new NfnetlinkNft(transport);
const ruleset = planRuleset();
const { host, client, gateway, first } = addresses;
const refusedMs = 700;

const elements: readonly NftElement[] = [
  { set: "intra", key: ["br0", "br0"], data: "accept" },
  ...(["4", "6"] as const).flatMap((digit): NftElement[] => {
    const family = digit === "4" ? "ipv4" : "ipv6";
    const subnet =
      digit === "4" ? { from: "10.88.0.0", to: "10.88.0.255" } : { from: "fd00:88::", to: "fd00:88::ffff" };
    const range = { from: 9000, to: 9999 };
    return [
      ...(["tcp", "udp"] as const).flatMap((protocol): NftElement[] => [
        { set: `publish_any${digit}`, key: [protocol, 8080], data: [first[family], 80] },
        { set: `publish_address${digit}`, key: [host[family], protocol, 8081], data: [first[family], 80] },
        { set: `range_any${digit}`, key: [protocol, range], data: [first[family]] },
      ]),
      { set: `hairpin${digit}`, key: [subnet, first[family]] },
      { set: `masquerade${digit}`, key: ["br0"] },
    ];
  }),
];

let world: SmallWorld;

before(async () => {
  world = await buildSmallWorld();
  // The container's services for both families; 9123 lies within the published range, 7000 is not published.
  for (const transportName of ["tcp", "udp"] as const) {
    for (const port of [80, 9000, 9123, 9999, 7000]) {
      await world.first.serve(transportName, port, `first:${port}`);
    }
    await world.client.serve(transportName, 8080, "client:8080");
    await world.second.serve(transportName, 80, "second:80");
  }
  await nft.install(ruleset, elements);
});

after(async () => {
  await world[Symbol.asyncDispose]();
  await transport[Symbol.asyncDispose]();
});

for (const protocol of ["tcp", "udp"] as const) {
  for (const family of ["ipv4", "ipv6"] as const) {
    describe(`${protocol} over ${family}`, () => {
      test("an exact port leads to another port of the container, with the client's own address", async () => {
        const answer = await world.client.ask(protocol, host[family], 8080);
        assert.equal(answer, `first:80 ${client[family]}`);
        assert.equal(await world.client.ask(protocol, host[family], 8081), `first:80 ${client[family]}`);
      });

      test("a port published at one address is not reachable at another one", async () => {
        const answer = await world.second.ask(protocol, gateway[family], 8081, { timeoutMs: refusedMs });
        assert.match(answer, /^(ECONNREFUSED|timeout)$/);
      });

      test("every port of a range keeps its number, and none beside it is open", async () => {
        for (const port of [9000, 9123, 9999]) {
          assert.equal(await world.client.ask(protocol, host[family], port), `first:${port} ${client[family]}`);
        }
        assert.equal(await world.client.ask(protocol, host[family], 8999), "ECONNREFUSED");
        assert.equal(await world.client.ask(protocol, host[family], 10000), "ECONNREFUSED");
      });

      test("traffic through the host to a published number reaches its true server", async () => {
        assert.equal(await world.second.ask(protocol, client[family], 8080), `client:8080 ${host[family]}`);
      });

      test("the container is not reachable around its published ports", async () => {
        const gate = family === "ipv4" ? host.ipv4 : host.ipv6;
        await world.client.ip(`route replace ${first[family]} via ${gate}`);
        assert.equal(await world.client.ask(protocol, first[family], 7000, { timeoutMs: refusedMs }), "timeout");
        assert.equal(await world.client.ask(protocol, first[family], 80, { timeoutMs: refusedMs }), "timeout");
      });

      test("the host itself reaches the port at its own addresses", async () => {
        assert.equal(await askHere(protocol, host[family], 8080), `first:80 ${host[family]}`);
        assert.equal(await askHere(protocol, gateway[family], 8080), `first:80 ${gateway[family]}`);
      });

      for (const filtered of ["0", "1"]) {
        test(`hairpin works with bridge-nf-call ${filtered}`, async () => {
          writeSysctl("net/bridge/bridge-nf-call-iptables", filtered);
          writeSysctl("net/bridge/bridge-nf-call-ip6tables", filtered);
          for (const target of [host, gateway]) {
            assert.equal(await world.second.ask(protocol, target[family], 8080), `first:80 ${gateway[family]}`);
            assert.equal(await world.first.ask(protocol, target[family], 8080), `first:80 ${gateway[family]}`);
            assert.equal(await world.first.ask(protocol, target[family], 9123), `first:9123 ${gateway[family]}`);
          }
        });
      }
    });
  }
}

test("127.0.0.1 of the host leads to the container", async () => {
  assert.equal(await askHere("tcp", "127.0.0.1", 8080), `first:80 ${gateway.ipv4}`);
  assert.equal(await askHere("udp", "127.0.0.1", 9123), `first:9123 ${gateway.ipv4}`);
});

test("[::1] of the host leads to the container where the bridge has a local route for it", async () => {
  writeSysctl("net/bridge/bridge-nf-call-ip6tables", "0");
  await ipHere("route add local ::1 dev br0 table local metric 2048");
  assert.equal(await askHere("tcp", "::1", 8080), `first:80 ${gateway.ipv6}`);
  assert.equal(await askHere("udp", "::1", 9123), `first:9123 ${gateway.ipv6}`);
});

test("nobody outside the host reaches loopback addresses by way of it", async () => {
  await world.first.ip("route add 127.0.0.53 via 10.88.0.1", "addr add 10.88.0.2/32 dev lo");
  await world.client.ip("route add 127.0.0.53 via 192.0.2.1");
  await world.first.exec("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
  await world.client.exec("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
  assert.equal(
    await world.client.ask("udp", "127.0.0.53", 8080, { from: client.ipv4, timeoutMs: refusedMs }),
    "timeout",
  );
  assert.equal(await world.first.ask("udp", "127.0.0.53", 8080, { from: first.ipv4, timeoutMs: refusedMs }), "timeout");
});

test("no packet is lost or misled while all elements are put back again and again", async () => {
  let replacing = true;
  const answers: string[] = [];
  const asking = (async () => {
    while (replacing) {
      answers.push(await world.client.ask("udp", host.ipv4, 8080));
    }
  })();
  for (let round = 0; round < 30; round += 1) {
    await nft.install(ruleset, elements);
  }
  replacing = false;
  await asking;
  assert.ok(answers.length > 0);
  assert.deepEqual([...new Set(answers)], [`first:80 ${client.ipv4}`]);
});

test("tables of another version are replaced, and lead the same way at once", async () => {
  const other = { ...ruleset.tables[0], name: "fairway" };
  assert.ok(other.sets !== undefined && other.chains !== undefined && other.family !== undefined);
  const chains = [...other.chains, { name: "extra", rules: [] }];
  const variant = { tables: [{ ...other, family: other.family, chains, sets: other.sets }] };
  for (let round = 0; round < 10; round += 1) {
    await nft.install(round % 2 === 0 ? variant : ruleset, elements);
    assert.equal(await world.client.ask("udp", host.ipv4, 8080), `first:80 ${client.ipv4}`);
  }
  await nft.install(ruleset, elements);
});
