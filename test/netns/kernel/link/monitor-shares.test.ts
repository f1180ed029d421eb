/** Events that networks with the host's address live by. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LinkMonitor } from "../../../../src/kernel/link/link-monitor.ts";
import { waitFor } from "../../../lab/wait.ts";
import { Sandbox } from "../sandbox.ts";
import { ip, ipBatch, sysctls } from "./rig.ts";

const monitor = new LinkMonitor();
const events: string[] = [];
monitor.onLinkUp((name) => events.push(`up ${name}`));
monitor.onLinkGone((name) => events.push(`gone ${name}`));
monitor.onAddressChange(() => events.push("addresses"));
let marks = 0;

before(async () => {
  // No link-local addresses, which come when they like.
  sysctls.write(["net", "ipv6", "conf", "default", "addr_gen_mode"], "1");
  await monitor.ready();
});
after(() => monitor.close());

/** What has been reported since the last question: everything before a link of its own that comes and goes. */
async function reported(): Promise<string[]> {
  marks += 1;
  const mark = `mark${marks}`;
  ip(`link add ${mark} type bridge`);
  ip(`link delete ${mark}`);
  await waitFor(() => events.includes(`gone ${mark}`), 5000, "the last event");
  return events.splice(0).filter((event) => event !== `gone ${mark}`);
}

test("a pair is up when both ends are, and either end says so", async () => {
  ip("link add fwv1 type veth peer name fwc1");
  ip("link set fwv1 up");
  assert.deepEqual(await reported(), []);
  ip("link set fwc1 up");
  assert.deepEqual([...new Set(await reported())].sort(), ["up fwc1", "up fwv1"]);
  ip("link delete fwv1");
  assert.deepEqual((await reported()).sort(), ["gone fwc1", "gone fwv1"]);
});

test("an end that comes up in its sandbox is reported by the other one", async () => {
  await using sandbox = await Sandbox.open();
  ip("link add fwv2 type veth peer name fwc2");
  ip("link set fwv2 up");
  ip(`link set fwc2 netns ${sandbox.pid}`);
  await sandbox.ip("link set fwc2 name eth0", "addr add 192.0.2.1/32 dev eth0");
  assert.deepEqual(await reported(), []);
  await sandbox.ip("link set eth0 up");
  assert.deepEqual([...new Set(await reported())], ["up fwv2"]);
  // Again after a restart of the interface.
  await sandbox.ip("link set eth0 down", "link set eth0 up");
  assert.ok((await reported()).includes("up fwv2"));
  ip("link delete fwv2");
  await reported();
});

test("links of other kinds are not reported when they come up", async () => {
  ip("link add br2 type bridge");
  ip("link set br2 up");
  ip("link add fwv3 type veth peer name fwc3");
  ip("link set fwv3 master br2");
  ip("link set fwv3 up");
  ip("link set fwc3 up");
  const seen = new Set(await reported());
  assert.ok(seen.has("up fwv3"));
  assert.ok(!seen.has("up br2"));
  ip("link delete br2");
  ip("link delete fwv3");
  await reported();
});

for (const [family, address, other] of [
  ["IPv4", "192.0.2.10/24", "192.0.2.11/24"],
  ["IPv6", "2001:db8::10/64", "2001:db8::11/64"],
] as const) {
  test(`${family} addresses that come, go or are changed are reported`, async () => {
    const nodad = family === "IPv6" ? " nodad" : "";
    ip("link add up0 type veth peer name up0p");
    ip("link set up0 up");
    await reported();
    ip(`address add ${address} dev up0${nodad}`);
    assert.ok((await reported()).includes("addresses"), "come");
    ip(`address add ${other} dev up0${nodad}`);
    assert.ok((await reported()).includes("addresses"), "another comes");
    ip(`address change ${other} dev up0 preferred_lft 0 valid_lft 3600`);
    assert.ok((await reported()).includes("addresses"), "deprecated");
    ip(`address del ${other} dev up0`);
    assert.ok((await reported()).includes("addresses"), "go");
    ip("link delete up0");
    assert.ok((await reported()).includes("addresses"), "go with the device");
    assert.deepEqual(await reported(), []);
  });
}

test("an IPv6 address is reported once more when it is sure that nobody else has it", async () => {
  ip("link add up1 type veth peer name up1p");
  ip("link set up1p up");
  ip("link set up1 up");
  ip("address add 2001:db8::77/64 dev up1");
  assert.ok((await reported()).includes("addresses"));
  await waitFor(() => !ip("-6 address show dev up1").includes("tentative"), 10_000, "the end of the detection");
  await waitFor(() => events.includes("addresses"), 5000, "the event");
  ip("link delete up1");
  await reported();
});

test("addresses in sandboxes are nobody's business", async () => {
  await using sandbox = await Sandbox.open();
  await reported();
  await sandbox.ip("addr add 192.0.2.1/32 dev lo", "addr del 192.0.2.1/32 dev lo");
  assert.deepEqual(await reported(), []);
});

test("a burst of addresses is reported, not each of them", async () => {
  ip("link add up2 type veth peer name up2p");
  ipBatch(Array.from({ length: 300 }, (_, index) => `address add 10.30.${index >> 8}.${index & 255}/32 dev up2`));
  const seen = (await reported()).filter((event) => event === "addresses");
  assert.ok(seen.length > 0 && seen.length <= 300);
  ip("link delete up2");
  await reported();
});
