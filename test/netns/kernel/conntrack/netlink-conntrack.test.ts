import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { type Flow, listFlows, parseFlow } from "../../../../src/kernel/conntrack/codec.ts";
import { NetlinkConntrack } from "../../../../src/kernel/conntrack/netlink-conntrack.ts";
import {
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  nested,
  u16BigEndianAttribute,
  u32BigEndianAttribute,
} from "../../../../src/kernel/netlink/message.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { NfnetlinkNft } from "../../../../src/kernel/nft/nfnetlink-nft.ts";
import type { FlowFilter } from "../../../../src/kernel/ports.ts";
import { fromBytes, parseIpAddress } from "../../../../src/model/ip.ts";
import { planRuleset } from "../../../../src/plan/firewall.ts";
import type { NftElement } from "../../../../src/plan/ruleset.ts";
import { run } from "../../../lab/exec.ts";
import { addresses, buildSmallWorld, type SmallWorld } from "../host.ts";
import { askHere } from "../sandbox.ts";

const { host, client, first, second } = addresses;
const transport = new WorkerTransport();
const published = 8080;
const failures: Error[] = [];
let world: SmallWorld;

async function flows(): Promise<Flow[]> {
  const replies = [
    ...(await transport.dump("netfilter", listFlows("ipv4"))),
    ...(await transport.dump("netfilter", listFlows("ipv6"))),
  ];
  return replies.map(parseFlow).filter((flow) => flow !== undefined);
}

/** "udp 192.0.2.9 > 192.0.2.1:8080 | 10.88.0.2", sorted; ICMP and the like left out. */
async function summary(): Promise<string[]> {
  const protocols: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp" };
  return (await flows())
    .filter(({ original }) => protocols[original.protocol] !== undefined)
    .map(({ original, reply }) => {
      const [from, to, answering] = [original.source, original.destination, reply.source].map(fromBytes);
      return `${protocols[original.protocol]} ${from} > ${to}:${original.destinationPort} | ${answering}`;
    })
    .sort();
}

async function forgetAll(): Promise<void> {
  await run(["conntrack", "-F"]);
}

/** What a container has going on, and what its neighbours have. */
async function talk(): Promise<void> {
  for (const protocol of ["tcp", "udp"] as const) {
    for (const family of ["ipv4", "ipv6"] as const) {
      await world.client.ask(protocol, host[family], published);
      await world.first.ask(protocol, client[family], published);
      await world.second.ask(protocol, client[family], 53);
      await world.second.ask(protocol, host[family], published);
      await askHere(protocol, client[family], 53);
      await askHere(protocol, first[family], 80);
    }
  }
}

before(async () => {
  await assertUsableWhereNothingTracks();
  world = await buildSmallWorld();
  for (const protocol of ["tcp", "udp"] as const) {
    await world.first.serve(protocol, 80, "first");
    await world.client.serve(protocol, 53, "client");
    await world.client.serve(protocol, published, "client");
  }
  const elements: NftElement[] = [
    { set: "intra", key: ["br0", "br0"], data: "accept" },
    ...(["4", "6"] as const).flatMap((digit): NftElement[] => {
      const address = digit === "4" ? first.ipv4 : first.ipv6;
      return [
        { set: `publish_any${digit}`, key: ["tcp", published], data: [address, 80] },
        { set: `publish_any${digit}`, key: ["udp", published], data: [address, 80] },
        { set: `masquerade${digit}`, key: ["br0"] },
        {
          set: `hairpin${digit}`,
          key: [
            digit === "4" ? { from: "10.88.0.0", to: "10.88.0.9" } : { from: "fd00:88::", to: "fd00:88::9" },
            address,
          ],
        },
      ];
    }),
  ];
  await new NfnetlinkNft(transport).install(planRuleset(), elements);
});

after(async () => {
  await world[Symbol.asyncDispose]();
  await transport[Symbol.asyncDispose]();
});

beforeEach(async () => {
  failures.length = 0;
  await forgetAll();
});

/** Must run first: from then on the namespace tracks. */
async function assertUsableWhereNothingTracks(): Promise<void> {
  for (const searchInKernel of [true, false]) {
    const conntrack = new NetlinkConntrack(transport, { onError: (error) => failures.push(error), searchInKernel });
    conntrack.forgetLater([{ kind: "address", address: parseIpAddress(first.ipv4) }]);
    await conntrack.settled();
  }
  assert.deepEqual(failures, []);
}

for (const searchInKernel of [true, false]) {
  describe(searchInKernel ? "searching in the kernel" : "listing and deleting", () => {
    const conntrack = new NetlinkConntrack(transport, { onError: (error) => failures.push(error), searchInKernel });

    async function assertForgets(filters: readonly FlowFilter[], gone: (line: string) => boolean): Promise<void> {
      await talk();
      const before = await summary();
      assert.ok(before.some(gone), before.join("\n"));
      assert.ok(!before.every(gone));
      conntrack.forgetLater(filters);
      await conntrack.settled();
      assert.deepEqual(
        await summary(),
        before.filter((line) => !gone(line)),
      );
      assert.deepEqual(failures, []);
    }

    for (const family of ["ipv4", "ipv6"] as const) {
      test(`all flows of an ${family} address go, and only they`, async () => {
        await assertForgets(
          [{ kind: "address", address: parseIpAddress(first[family]) }],
          (line) =>
            line.includes(` ${first[family]} `) ||
            line.includes(` ${first[family]}:`) ||
            line.endsWith(` ${first[family]}`),
        );
      });

      test(`all flows to a port at an ${family} address of the host go, and only they`, async () => {
        await assertForgets(
          [
            {
              kind: "hostPort",
              protocol: "udp",
              address: parseIpAddress(host[family]),
              first: published,
              last: published,
            },
          ],
          (line) => line.startsWith("udp") && line.includes(`> ${host[family]}:${published} `),
        );
      });

      test(`a port at all ${family} addresses means those of the host: flows through it survive`, async () => {
        const any = parseIpAddress(family === "ipv4" ? "0.0.0.0" : "::");
        await assertForgets(
          [{ kind: "hostPort", protocol: "tcp", address: any, first: published, last: published + 3 }],
          (line) => line.startsWith("tcp") && line.includes(`> ${host[family]}:${published} `),
        );
      });
    }

    test("many filters at once, many of them for nothing", async () => {
      const filters = Array.from(
        { length: 200 },
        (_, index): FlowFilter => ({
          kind: "address",
          address: parseIpAddress(index === 7 ? second.ipv4 : `10.99.0.${index + 1}`),
        }),
      );
      await assertForgets(
        [
          ...filters,
          { kind: "hostPort", protocol: "sctp", address: parseIpAddress("0.0.0.0"), first: 1, last: 65_535 },
        ],
        (line) => line.includes(` ${second.ipv4} `),
      );
    });

    test("an entry of another zone goes as well", async () => {
      const direction = (type: number, from: number[], to: number[]): Buffer =>
        nested(type, [
          nested(1, [ipAttribute(1, from), ipAttribute(2, to)]),
          nested(2, [byteAttribute(1, 17), u16BigEndianAttribute(2, 7), u16BigEndianAttribute(3, 7)]),
        ]);
      const [left, right] = [
        [10, 88, 0, 2],
        [10, 88, 0, 3],
      ];
      const entry = [direction(1, left, right), direction(2, right, left), u32BigEndianAttribute(7, 600)];
      const create = message(256, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, Buffer.from([2, 0, 0, 0]), [
        ...entry,
        u16BigEndianAttribute(18, 9),
      ]);
      assert.deepEqual(await transport.transact("netfilter", [create]), [{ index: 0, detail: "" }]);
      assert.equal((await summary()).length, 1);
      conntrack.forgetLater([{ kind: "address", address: parseIpAddress(second.ipv4) }]);
      await conntrack.settled();
      assert.deepEqual(await summary(), []);
    });

    test("without settled(), the work is done soon all the same", async () => {
      await world.client.ask("udp", host.ipv4, published);
      conntrack.forgetLater([{ kind: "address", address: parseIpAddress(first.ipv4) }]);
      const end = performance.now() + 5000;
      while ((await summary()).length > 0 && performance.now() < end) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(await summary(), []);
    });
  });
}

test("a datagram flow follows its port to another container", async () => {
  const nft = new NfnetlinkNft(transport);
  await nft.install(planRuleset(), [{ set: "internal", key: ["br9"] }]);
  const conntrack = new NetlinkConntrack(transport, { onError: (error) => failures.push(error) });
  // From one client port all the time, like a resolver or a logger that never stops.
  const talking = { fromPort: 40_000, timeoutMs: 500 };
  await world.second.serve("udp", 80, "second");
  assert.equal(await world.client.ask("udp", host.ipv4, 9090, talking), "ECONNREFUSED");
  const key = ["udp", 9090] as const;
  const flow: FlowFilter = {
    kind: "hostPort",
    protocol: "udp",
    address: parseIpAddress("0.0.0.0"),
    first: 9090,
    last: 9090,
  };
  await nft.change({ add: [{ set: "publish_any4", key, data: [first.ipv4, 80] }], remove: [] });
  conntrack.forgetLater([flow]);
  await conntrack.settled();
  assert.equal(await world.client.ask("udp", host.ipv4, 9090, talking), `first ${client.ipv4}`);
  await nft.change({
    add: [{ set: "publish_any4", key, data: [second.ipv4, 80] }],
    remove: [{ set: "publish_any4", key }],
  });
  assert.equal(await world.client.ask("udp", host.ipv4, 9090, talking), `first ${client.ipv4}`);
  conntrack.forgetLater([{ kind: "address", address: parseIpAddress(first.ipv4) }]);
  await conntrack.settled();
  assert.equal(await world.client.ask("udp", host.ipv4, 9090, talking), `second ${client.ipv4}`);
  assert.deepEqual(failures, []);
});

function ipAttribute(type: number, bytes: readonly number[]): Buffer {
  return Buffer.from([8, 0, type, 0, ...bytes]);
}

function byteAttribute(type: number, value: number): Buffer {
  return Buffer.from([5, 0, type, 0, value, 0, 0, 0]);
}
