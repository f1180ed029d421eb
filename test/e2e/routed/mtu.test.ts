/** Mode routed as a router: hops, errors, the size of packets, and no advice to go elsewhere. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { engineUnderTest } from "../../lab/engines.ts";
import { type Lan, type LanClient, openLan } from "../../lab/lan.ts";
import type { Place } from "../../lab/space.ts";
import { type BridgeRig, bridgeRig } from "../bridge/rig.ts";
import { addressesOn, linkOf } from "../bridge/sights.ts";
import { BULK_BYTES, callBulk, serveBulk } from "./bulk.ts";
import { routedNetwork, teach, untilReached } from "./flat.ts";

const NARROW_MTU_BYTES = 1300;

describe(`packets of mode routed with engine ${engineUnderTest()}`, () => {
  const rig = bridgeRig();

  before(() => teach(rig));

  test("a megabyte each way finds the narrowest wire: beyond the host, and into the container", async () => {
    const { host } = rig;
    await using wire = await NarrowWire.open(rig);
    const { far } = wire;
    await routedNetwork(rig, "wide", 1, "-o", "reachable=all");
    await routedNetwork(rig, "slim", 2, "-o", "reachable=all", "-o", "mtu=1280");
    const [wide, slim] = await Promise.all([rig.run("wide", "wide"), rig.run("slim", "slim")]);
    assert.deepEqual([(await linkOf(wide, "eth0")).mtu, (await linkOf(slim, "eth0")).mtu], [1500, 1280]);
    await serveBulk(far.space, [], 9001);
    for (const box of [wide, slim]) {
      await serveBulk(host.space, ["nsenter", "-t", String(box.pid), "-n", "-p", "--"], 9000);
    }
    for (const family of ["ipv4", "ipv6"] as const) {
      assert.equal(await callBulk(wide, far[family], 9001), BULK_BYTES, `container to far, ${family}`);
      assert.equal(await pathMtu(wide, far[family]), NARROW_MTU_BYTES, `learnt by the container, ${family}`);
      for (const [from, to] of [
        [far, wide],
        [far, slim],
        [rig.client, slim],
        [wide, slim],
        [slim, wide],
        [host, slim],
      ] as const) {
        assert.equal(await callBulk(from, to[family], 9000), BULK_BYTES, `${from.name} to ${to.name}, ${family}`);
      }
      assert.equal(await pathMtu(far, wide[family]), NARROW_MTU_BYTES, `learnt by far, ${family}`);
      // What does not fit into the container's own wire is reported to the sender by the host.
      assert.equal(await tooBig(rig.client, slim[family]), 1280);
    }
  });

  test("a trace shows each hop both ways, and the host answers for itself", async () => {
    await using wire = await NarrowWire.open(rig);
    const { far, router } = wire;
    await routedNetwork(rig, "app", 1, "-o", "reachable=all");
    const box = await rig.run("app", "app");
    await untilReached(far, box.ipv4);
    for (const family of ["ipv4", "ipv6"] as const) {
      const inward = await trace(far, box[family]);
      assert.deepEqual(inward.slice(1), [rig[family], box[family]], inward.join(" "));
      const outward = await trace(box, far[family]);
      assert.deepEqual(outward.slice(1), [router[family], far[family]], outward.join(" "));
      assert.match(outward[0] ?? "", /^(169\.254\.80\.|fe80::fa17:|10\.222\.0\.|fd00:222::)/, "the host is a hop");
    }
  });

  test("nobody is told to go elsewhere", async () => {
    const { client, host } = rig;
    await routedNetwork(rig, "app", 1);
    const [left, right] = await Promise.all([rig.run("left", "app"), rig.run("right", "app")]);
    const places = [left, right, client];
    await Promise.all(places.map(countRedirects));
    for (const family of ["ipv4", "ipv6"] as const) {
      await untilReached(left, right[family]);
      await untilReached(right, left[family]);
      await untilReached(client, left[family]);
      await untilReached(left, client[family]);
      // Nobody has this address: the host says so at once, and does not send it on.
      const nobody = family === "ipv4" ? "10.20.1.200" : "fd00:20:1::200";
      for (const from of [left, client, host]) {
        const { stdout } = await from.tryExec(["ping", "-n", "-c", "1", "-W", "3", nobody]);
        if (from !== host) {
          assert.match(stdout, /unreachable/i, `${from.name} to ${nobody}`);
        }
      }
    }
    assert.deepEqual(await Promise.all(places.map(redirects)), ["0 0", "0 0", "0 0"]);
  });

  async function pathMtu(from: Place, to: string): Promise<number> {
    return Number(/ mtu (\d+)/.exec(await from.exec(["ip", "route", "get", to]))?.[1] ?? 0);
  }

  /** The size that an ICMP error names for a packet of 1400 bytes that must not be cut. */
  async function tooBig(from: Place, to: string): Promise<number> {
    const flush = to.includes(":") ? ["ip", "-6", "route", "flush", "cache"] : ["ip", "route", "flush", "cache"];
    await from.exec(flush);
    const { stdout, stderr } = await from.tryExec(["ping", "-n", "-M", "do", "-c", "2", "-W", "2", "-s", "1352", to]);
    return Number(/mtu[ =]+(\d+)/i.exec(stdout + stderr)?.[1] ?? 0);
  }

  async function trace(from: Place, to: string): Promise<string[]> {
    const output = await from.exec(["traceroute", "-I", "-n", "-q", "1", "-w", "3", "-m", "6", to]);
    return [...output.matchAll(/^ *\d+ +(\S+)/gm)].map(([, hop = ""]) => hop.split("%")[0] ?? "");
  }

  async function countRedirects(place: Place): Promise<void> {
    const rules = ["icmp type redirect counter", "icmpv6 type nd-redirect counter"];
    const chain = ["chain seen {", "type filter hook prerouting priority raw;", ...rules, "}"];
    const script = ["table inet redirects", "delete table inet redirects", "table inet redirects {", ...chain, "}", ""];
    await place.exec(["nft", "-f", "-"], { stdin: script.join("\n") });
  }

  /** How many of either family. */
  async function redirects(place: Place): Promise<string> {
    const listing = await place.exec(["nft", "list", "table", "inet", "redirects"]);
    return [...listing.matchAll(/packets (\d+)/g)].map(([, count]) => count).join(" ");
  }
});

/** Behind the host's LAN: a router, a wire for small packets only, and a machine on it. */
class NarrowWire implements AsyncDisposable {
  readonly router: LanClient;
  readonly far: LanClient;
  readonly #rig: BridgeRig;
  readonly #lan: Lan;

  private constructor(parts: { rig: BridgeRig; lan: Lan; router: LanClient; far: LanClient }) {
    this.#rig = parts.rig;
    this.#lan = parts.lan;
    this.router = parts.router;
    this.far = parts.far;
  }

  static async open(rig: BridgeRig): Promise<NarrowWire> {
    const lan = await openLan({ index: 8 });
    const [router, far] = [await rig.lan.router("router", lan), await lan.client("far")];
    await teach(rig, router);
    // By routes, not by the links: ends of a narrow link would offer small segments by themselves.
    const narrow = ["mtu", "lock", String(NARROW_MTU_BYTES)];
    await router.exec(["ip", "route", "replace", "10.222.8.0/24", "dev", "eth1", ...narrow]);
    await router.exec(["ip", "-6", "route", "replace", "fd00:222:0:8::/64", "dev", "eth1", ...narrow, "metric", "256"]);
    await router.exec(["ip", "route", "replace", "10.20.0.0/16", "via", rig.ipv4, ...narrow]);
    await router.exec(["ip", "-6", "route", "replace", "fd00:20::/32", "via", rig.ipv6, ...narrow]);
    await rig.host.exec(["ip", "route", "add", "10.222.8.0/24", "via", router.ipv4]);
    await rig.host.exec(["ip", "-6", "route", "add", "fd00:222:0:8::/64", "via", router.ipv6]);
    for (const address of await addressesOn(router, "eth1")) {
      const family = address.includes(":") ? "-6" : "-4";
      await far.exec(["ip", family, "route", "replace", "default", "via", address.split("/")[0] ?? ""]);
    }
    return new NarrowWire({ rig, lan, router, far });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rig.host.exec(["ip", "route", "del", "10.222.8.0/24"]);
    await this.#rig.host.exec(["ip", "-6", "route", "del", "fd00:222:0:8::/64"]);
    await Promise.all([this.router.stop(), this.far.stop()]);
    await this.#lan.stop();
  }
}
