import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LinkReaper } from "../../../../src/kernel/link/link-reaper.ts";
import { Rtnetlink } from "../../../../src/kernel/link/rtnetlink.ts";
import type { NetlinkTransport } from "../../../../src/kernel/netlink/transport.ts";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { isolatedLinkGroup, linkGroup, reapGroup } from "../../../../src/plan/names.ts";
import {
  bridgeSpec,
  ifName,
  ip,
  links,
  reaperErrors,
  reaperTransport,
  seeLink,
  seeLinks,
  transport,
  vethSpec,
} from "./rig.ts";

before(() => links.ensureBridge(bridgeSpec("fwb1")));

after(async () => {
  await transport[Symbol.asyncDispose]();
  await reaperTransport[Symbol.asyncDispose]();
});

async function addVeths(numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    await links.addVeth(vethSpec(number, "fwb1"));
  }
}

test("fifty links go, and no other", async () => {
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  await addVeths([...numbers, 900]);
  ip("link add foreign0 type veth peer name foreign1");
  links.deleteLater(numbers.map((number) => vethSpec(number, "fwb1").host));
  await links.settled();
  const left = seeLinks().map(({ ifname }) => ifname);
  assert.deepEqual(left.sort(), ["foreign0", "foreign1", "fwb1", "fwc900", "fwv900", "lo"]);
  assert.deepEqual(reaperErrors, []);
});

test("somebody else's link stays, whatever its name and alias, and whoever asks for its end", async () => {
  ip("link add fwv300 type veth peer name fwc300");
  ip("link set fwv300 alias fairway:endpoint:300");
  ip("link add fwb300 group 77 type bridge");
  await addVeths([301]);
  const before300 = [seeLink("fwv300"), seeLink("fwc300"), seeLink("fwb300")];
  links.deleteLater(["fwv300", "fwv301", "fwb300"].map(ifName));
  await links.settled();
  assert.deepEqual([seeLink("fwv300"), seeLink("fwc300"), seeLink("fwb300")], before300);
  assert.equal(seeLink("fwv301"), undefined);
  assert.deepEqual(reaperErrors, []);
  ip("link delete fwv300");
  ip("link delete fwb300");
});

test("a name that turned out to be somebody else's is forgotten: a link of ours takes it later and stays", async () => {
  ip("link add fwv302 type veth peer name fwc302");
  links.deleteLater([ifName("fwv302")]);
  await links.settled();
  ip("link delete fwv302");
  await addVeths([302]);
  links.deleteLater([ifName("fwv404")]);
  await links.settled();
  assert.ok(seeLink("fwv302"));
  ip("link delete fwv302");
});

test("links of every group of ours go, those that an earlier run had marked for deletion among them", async () => {
  await links.addVeth(vethSpec(310, "fwb1", { group: isolatedLinkGroup }));
  await addVeths([311]);
  ip(`link set fwv311 group ${reapGroup}`);
  links.deleteLater([ifName("fwv310"), ifName("fwv311")]);
  await links.settled();
  assert.equal(seeLink("fwv310"), undefined);
  assert.equal(seeLink("fwv311"), undefined);
});

test("absent links are fine, and settled() without work returns", async () => {
  await links.settled();
  links.deleteLater([ifName("fwv404"), ifName("fwv405")]);
  await links.settled();
  links.deleteLater([]);
  await links.settled();
  assert.deepEqual(reaperErrors, []);
});

test("a bridge goes together with its ports", async () => {
  await links.ensureBridge(bridgeSpec("fwb2", { addresses: [] }));
  await links.addVeth(vethSpec(1, "fwb2"));
  links.deleteLater([ifName("fwb2"), ifName("fwv1")]);
  await links.settled();
  assert.equal(seeLink("fwb2"), undefined);
  assert.equal(seeLink("fwv1"), undefined);
});

test("a name can be used again at once", async () => {
  await links.ensureBridge(bridgeSpec("fwb3", { addresses: [] }));
  await addVeths([3]);
  const earlier = seeLink("fwb3")?.ifindex;
  links.deleteLater([ifName("fwb3"), ifName("fwv3")]);
  // Another network: converging the old bridge instead of waiting for its end would be refused.
  await links.ensureBridge(bridgeSpec("fwb3", { addresses: [], alias: "fairway:network:next" }));
  await links.addVeth(vethSpec(3, "fwb3"));
  await links.settled();
  assert.equal(seeLink("fwb3")?.ifalias, "fairway:network:next");
  assert.notEqual(seeLink("fwb3")?.ifindex, earlier);
  assert.equal(seeLink("fwv3")?.master, "fwb3");
});

/** Answers a message with the errno that `refuse` gives for its link; the real kernel sees and answers the others. */
function refusing(refuse: (name: string) => string | undefined): NetlinkTransport {
  return {
    dump: (protocol, request) => transport.dump(protocol, request),
    transact: async (protocol, messages) => {
      const asked = messages.map((message, index) => ({ message, index, errno: refuse(linkNameIn(message)) }));
      const passed = asked.filter(({ errno }) => errno === undefined);
      const acks = await transport.transact(
        protocol,
        passed.map(({ message }) => message),
      );
      return asked.map(({ index, errno }) => {
        const ack = acks.find((one) => passed[one.index]?.index === index);
        return { ...(ack ?? { errno: errno ?? "EPROTO", detail: "" }), index };
      });
    },
  };
}

function linkNameIn(message: Buffer): string {
  return /fwv\d+/.exec(message.toString("latin1"))?.[0] ?? "";
}

test("a refused deletion is reported and tried again, and holds up no other", async () => {
  await addVeths([10, 11]);
  let refusals = 2;
  const errors: unknown[] = [];
  const reaper = new LinkReaper({
    rtnetlink: new Rtnetlink(
      refusing((name) => {
        refusals -= name === "fwv10" ? 1 : 0;
        return name === "fwv10" && refusals >= 0 ? "EBUSY" : undefined;
      }),
    ),
    groups: [linkGroup],
    reapGroup,
    onError: (error) => errors.push(error),
  });
  reaper.deleteLater(["fwv10", "fwv11"]);
  await reaper.settled();
  assert.equal(errors.length, 2);
  assert.ok(errors.every((error) => isKernelError(error, "EBUSY")));
  assert.equal(seeLink("fwv10"), undefined);
  assert.equal(seeLink("fwv11"), undefined);
});

test("a name whose deletion is refused cannot be used again", async () => {
  await addVeths([12]);
  let isRefusing = true;
  const reaper = new LinkReaper({
    rtnetlink: new Rtnetlink(refusing(() => (isRefusing ? "EBUSY" : undefined))),
    groups: [linkGroup],
    reapGroup,
    onError: () => undefined,
  });
  reaper.deleteLater(["fwv12"]);
  await assert.rejects(reaper.gone("fwv12"), (error) => isKernelError(error, "EBUSY"));
  await reaper.gone("fwv13");
  isRefusing = false;
  await reaper.gone("fwv12");
  await reaper.settled();
});
