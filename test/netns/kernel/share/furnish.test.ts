/** What is set up inside a sandbox whose container has the host's address. */
import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { openKernel } from "../../../../src/daemon/kernel.ts";
import type { FurnishSpec } from "../../../../src/kernel/ports.ts";
import type { Endpoint } from "../../../../src/model/endpoint.ts";
import { sandboxTable } from "../../../../src/plan/names.ts";
import { planFurnishing, planSharedLink } from "../../../../src/plan/share.ts";
import { standInOf } from "../../../../src/plan/stand-in.ts";
import { createFakeLog } from "../../../fakes/fake-log.ts";
import { ip } from "../../../fakes/requests.ts";
import { run } from "../../../lab/exec.ts";
import { addresses } from "../host.ts";
import { moveIn } from "../move-in.ts";
import { ipHere, Sandbox } from "../sandbox.ts";
import { sharedNetwork, shareOf } from "./world.ts";

const { host } = addresses;
const table = sandboxTable(sharedNetwork.gatewayIpv4);
const opened = openKernel(createFakeLog().logger);
const { links, sandboxes } = opened.kernel;
const publication = {
  protocol: "tcp",
  hostAddress: ip(host.ipv4),
  hostPortFirst: 20_017,
  hostPortLast: 20_017,
  containerAddress: standInOf(1, "ipv4"),
  containerPort: 80,
} as const;
let sandbox: Sandbox;
let endpoint: Endpoint;

beforeEach(async () => {
  sandbox = await Sandbox.open();
  endpoint = { ...shareOf(1, []), publications: [publication], sandboxKey: `/proc/${sandbox.pid}/ns/net` };
  await links.addNextHopLink(planSharedLink(sharedNetwork, endpoint));
});

afterEach(async () => {
  links.deleteLater([endpoint.hostIf]);
  await links.settled();
  await sandbox[Symbol.asyncDispose]();
});

after(() => opened[Symbol.asyncDispose]());

function spec(changes: Partial<FurnishSpec> = {}): FurnishSpec {
  return { ...planFurnishing(sharedNetwork, endpoint), ...changes };
}

function furnish(changes: Partial<FurnishSpec> = {}): Promise<boolean> {
  return sandboxes.furnish(spec(changes));
}

/** "1: from all to 192.0.2.1 iif lo lookup 16404481" and so on. */
async function rules(family: "-4" | "-6"): Promise<string[]> {
  const lines = (await sandbox.exec("ip", family, "rule")).trim().split("\n");
  return lines.map((line) => line.replace(/\s+/g, " ").trim());
}

async function routes(family: "-4" | "-6"): Promise<string> {
  return (await sandbox.exec("ip", family, "route", "show", "table", String(table))).trim().replace(/\s+/g, " ");
}

async function knob(path: string): Promise<string> {
  return (await sandbox.exec("cat", `/proc/sys/net/ipv4/conf/${path}`)).trim();
}

async function everything(): Promise<string[]> {
  const commands = [
    "-4 rule",
    "-6 rule",
    "-4 route show table all",
    "-6 route show table all",
    "neigh show nud permanent",
  ];
  const texts = await Promise.all(commands.map((command) => sandbox.exec("ip", ...command.split(" "))));
  // Routes that the kernel makes by itself come when it is ready.
  return texts.map((text) =>
    text
      .split("\n")
      .filter((line) => !/local fe80|fe80::\/64|ff00::|anycast/.test(line))
      .join("\n"),
  );
}

test("what is sent to the host's address goes to the host, before the look-up of own addresses", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  assert.equal(await furnish(), true);
  for (const [family, own, last] of [
    ["-4", host.ipv4, ["32766: from all lookup main", "32767: from all lookup default"]],
    ["-6", host.ipv6, ["32766: from all lookup main"]],
  ] as const) {
    assert.deepEqual(await rules(family), [
      `1: from all to ${own} iif lo lookup ${table}`,
      "10: from all lookup local",
      `20: from ${own} lookup main suppress_ifgroup default`,
      `21: from ${own} lookup ${table}`,
      ...last,
    ]);
  }
});

test("the network's own table leads to its gateway, whose link-layer address is known", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  await furnish();
  assert.equal(await routes("-4"), "default via 169.254.80.1 dev eth0 proto 143 onlink");
  assert.match(await routes("-6"), /^default via fe80::fa17:0:1 dev eth0 proto 143 metric \d+ onlink/);
  const [hostSide] = JSON.parse(await run(["ip", "-json", "link", "show", "dev", endpoint.hostIf])) as {
    address: string;
  }[];
  const neighbours = JSON.parse(await sandbox.exec("ip", "-json", "neigh", "show", "nud", "permanent")) as {
    dst: string;
    lladdr: string;
  }[];
  assert.deepEqual(
    neighbours.map(({ dst, lladdr }) => [dst, lladdr]).sort(),
    [sharedNetwork.gatewayIpv4, sharedNetwork.gatewayIpv6].map((address) => [address, hostSide?.address]).sort(),
  );
});

test("packets from an address that is its own are let in, however strict the sandbox was", async () => {
  await sandbox.exec("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.default.rp_filter=1");
  await moveIn(sharedNetwork, endpoint, sandbox);
  await furnish();
  assert.deepEqual(
    [await knob("all/rp_filter"), await knob("eth0/rp_filter"), await knob("eth0/accept_local")],
    ["0", "0", "1"],
  );
});

test("a program inside reads the ports it was given from the interface", async () => {
  const ifalias = async (): Promise<string> => {
    const [link] = JSON.parse(await sandbox.exec("ip", "-json", "link", "show", "dev", "eth0")) as {
      ifalias?: string;
    }[];
    return link?.ifalias ?? "";
  };
  await moveIn(sharedNetwork, endpoint, sandbox);
  await furnish();
  assert.equal(await ifalias(), "80/tcp=20017");
  await furnish({ note: "x".repeat(254) });
  assert.equal(await ifalias(), "x".repeat(254));
  await furnish({ note: "" });
  assert.equal(await ifalias(), "");
});

test("twice is the same as once, and what was taken away is put back", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  assert.equal(await furnish(), true);
  const once = await everything();
  assert.equal(await furnish(), true);
  assert.deepEqual(await everything(), once);
  await sandbox.ip("rule del pref 1", "rule add pref 0 lookup local", `route flush table ${table}`);
  await sandbox.exec("ip", "-6", "rule", "del", "pref", "20");
  assert.equal(await furnish(), true);
  assert.deepEqual(await everything(), once);
});

test("a container without IPv6 keeps the rules of IPv6 as they were", async () => {
  const before = await rules("-6");
  await moveIn(sharedNetwork, endpoint, sandbox);
  assert.equal(await furnish({ routes: spec().routes.slice(0, 1) }), true);
  assert.deepEqual(await rules("-6"), before);
  assert.equal((await rules("-4")).length, 6);
});

test("two networks of one container have a table each", async () => {
  const second = { ...shareOf(2, []), sandboxKey: endpoint.sandboxKey ?? "" };
  const network = { ...sharedNetwork, gatewayIpv4: ip("169.254.80.2"), gatewayIpv6: ip("fe80::fa17:0:2") };
  await links.addNextHopLink(planSharedLink(network, second));
  await ipHere(`link set ${second.sandboxIf} netns ${sandbox.pid}`);
  await moveIn(sharedNetwork, endpoint, sandbox);
  await sandbox.ip(
    `link set ${second.sandboxIf} name eth1`,
    "addr add 192.0.2.77/32 dev eth1",
    "addr add 2001:db8::77/128 dev eth1 nodad",
    "link set eth1 up",
  );
  const routes2 = [
    { address: ip("192.0.2.77"), gateway: network.gatewayIpv4 },
    { address: ip("2001:db8::77"), gateway: network.gatewayIpv6 },
  ];
  await furnish();
  const plan = planFurnishing(network, second);
  assert.equal(await sandboxes.furnish({ ...plan, routes: routes2 }), true);
  await furnish();
  assert.deepEqual(await rules("-4"), [
    `0: from 192.0.2.77 to 192.0.2.1 iif lo lookup ${table + 1}`,
    `0: from 192.0.2.1 to 192.0.2.77 iif lo lookup ${table}`,
    `1: from all to 192.0.2.1 iif lo lookup ${table}`,
    `1: from all to 192.0.2.77 iif lo lookup ${table + 1}`,
    "10: from all lookup local",
    `21: from 192.0.2.1 lookup ${table}`,
    `21: from 192.0.2.77 lookup ${table + 1}`,
    "32766: from all lookup main",
    "32767: from all lookup default",
  ]);
  links.deleteLater([second.hostIf]);
  await links.settled();
});

test("a container with another network as its way out answers from the host's address by this one", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  await sandbox.ip(
    "link add other type veth peer name otherp",
    "addr add 10.9.9.2/24 dev other",
    "addr add fd00:9::2/64 dev other nodad",
    "link set otherp up",
    "link set other up",
    "route replace default via 10.9.9.1",
    "route del ::/0",
    "route add ::/0 via fd00:9::1",
  );
  await furnish();
  const device = async (...question: string[]): Promise<string | undefined> =>
    (JSON.parse(await sandbox.exec("ip", "-json", "route", "get", ...question)) as { dev: string }[])[0]?.dev;
  assert.equal(await device("203.0.113.5"), "other");
  assert.equal(await device("203.0.113.5", "from", host.ipv4), "eth0");
  assert.equal(await device("203.0.113.5", "from", "10.9.9.2"), "other");
  assert.equal(await device("10.9.9.7"), "other");
  assert.equal(await device("2001:db8:9::5"), "other");
  assert.equal(await device("2001:db8:9::5", "from", host.ipv6), "eth0");
  assert.equal(await device(host.ipv4), "eth0");
  assert.equal(await device(host.ipv6), "eth0");
  assert.equal(await device("10.9.9.2"), "lo");
});

test("an interface that is not there yet, or not up, is for later, and nothing has been changed", async () => {
  const before = await everything();
  assert.equal(await furnish(), false);
  await ipHere(`link set ${endpoint.sandboxIf} netns ${sandbox.pid}`);
  assert.equal(await furnish(), false);
  assert.deepEqual(await everything(), before);
});

test("a sandbox that is gone, or never was one, is no failure", async () => {
  const ended = await Sandbox.open();
  const sandboxKey = `/proc/${ended.pid}/ns/net`;
  await ended[Symbol.asyncDispose]();
  for (const key of [sandboxKey, "/nowhere/at/all", "/proc/self/ns/mnt", "/proc/version", "/proc"]) {
    assert.equal(await furnish({ sandboxKey: key }), false, key);
  }
});

test("sandboxes that end while they are furnished are no failure, and the next one is furnished", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  const brief = await Sandbox.open();
  const asked = Array.from({ length: 200 }, () => furnish({ sandboxKey: `/proc/${brief.pid}/ns/net` }));
  await brief[Symbol.asyncDispose]();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([false]));
  assert.equal(await furnish(), true);
});

test("the visitor comes home: links are made in the host's namespace afterwards", async () => {
  await moveIn(sharedNetwork, endpoint, sandbox);
  const other = shareOf(2, []);
  await Promise.all([furnish(), links.addNextHopLink(planSharedLink(sharedNetwork, other)), furnish()]);
  assert.equal(await links.isPresent(other.hostIf), true);
  assert.doesNotMatch(await sandbox.exec("ip", "link"), new RegExp(other.hostIf));
  links.deleteLater([other.hostIf]);
  await links.settled();
});
