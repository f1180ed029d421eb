import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { addAddress, configureFurnished, deleteAddress } from "../../../../src/kernel/link/codec.ts";
import { addNeighbour, addRoute, addRule, deleteRule } from "../../../../src/kernel/link/route-codec.ts";
import { hostMac } from "../../../../src/kernel/link/veths.ts";
import type { NamespaceSetting } from "../../../../src/kernel/netlink/jobs.ts";
import { Sandboxes } from "../../../../src/kernel/sandbox/sandboxes.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";
import type { FurnishSpec } from "../../../../src/plan/specs.ts";
import { FakeNetlink } from "../../../fakes/fake-netlink.ts";
import { endpointOf, ip, sandboxKey } from "../../../fakes/requests.ts";

const mac = parseMac("02:00:00:00:01:01");
const table = 0xfa_5001;
const gateway = ip("169.254.80.1");
const only4: FurnishSpec = {
  hostIf: endpointOf().hostIf,
  sharesAddress: true,
  sandboxKey: sandboxKey(1),
  mac,
  table,
  routes: [{ address: ip("192.0.2.10"), gateway: ip("169.254.80.1") }],
  note: "80/tcp=20017",
};
const dual: FurnishSpec = {
  ...only4,
  routes: [...only4.routes, { address: ip("2001:db8::10"), gateway: ip("fe80::fa17:0:1") }],
};

describe("a sandbox with the host's address", () => {
  let inside: FakeNetlink;
  let entered: string[];
  let settings: readonly NamespaceSetting[];
  let sandboxes: Sandboxes;

  beforeEach(() => {
    inside = new FakeNetlink();
    inside.links.push({ index: 1, name: "lo" }, { index: 7, name: "eth0", mac, kind: "veth" });
    entered = [];
    settings = [];
    sandboxes = new Sandboxes({
      inside: (path, wanted) => {
        entered.push(path);
        settings = wanted ?? [];
        return inside;
      },
    });
  });

  test("is furnished in one go: look-up of own addresses last, and never without one", async () => {
    assert.equal(await sandboxes.furnish(only4), true);
    const local = { family: "ipv4", table: 255 } as const;
    const address = ip("192.0.2.10");
    assert.deepEqual(inside.sent, [
      configureFurnished({ index: 7, group: 0xfa1a, note: "80/tcp=20017" }),
      addNeighbour({ address: gateway, mac: hostMac(only4.hostIf), index: 7 }),
      addRoute({ destination: "ipv4", gateway, index: 7, table }),
      addRule({ ...local, preference: 10 }),
      addRule({ family: "ipv4", preference: 1, table, to: address, input: "lo" }),
      deleteRule({ ...local, preference: 0 }),
      addRule({ family: "ipv4", preference: 21, table, from: address }),
      addRule({ family: "ipv4", preference: 20, table: 254, from: address, exceptGroup: 0 }),
    ]);
    assert.deepEqual(entered, [sandboxKey(1)]);
    assert.deepEqual(settings, [{ path: ["ipv4", "conf", "all", "rp_filter"], value: "0" }]);
  });

  test("with two networks of the kind has no rule by which an answer could take the other's way", async () => {
    inside.links.push({ index: 9, name: "eth1", mac: "02:00:00:00:02:02", kind: "veth", group: 0xfa1a });
    await sandboxes.furnish(only4);
    const main = deleteRule({ family: "ipv4", preference: 20, table: 254 });
    assert.deepEqual(inside.sent.slice(-2), [main, main]);
  });

  test("has the same for IPv6", async () => {
    await sandboxes.furnish(dual);
    assert.equal(inside.sent.length, 1 + 2 * 7);
    assert.ok(inside.sent.some((one) => one.equals(deleteRule({ family: "ipv6", preference: 0, table: 255 }))));
  });

  const absences: [string, () => void][] = [
    ["is empty", () => inside.links.splice(1)],
    [
      "has a veth of another network only",
      () => inside.links.splice(1, 1, { index: 7, name: "eth0", kind: "veth", mac: "02:00:00:00:09:09" }),
    ],
    [
      "has a bridge with that address",
      () => inside.links.splice(1, 1, { index: 7, name: "eth0", kind: "bridge", mac }),
    ],
    ["has it down", () => inside.links.splice(1, 1, { index: 7, name: "eth0", kind: "veth", mac, isUp: false })],
  ];
  for (const [name, arrange] of absences) {
    test(`that ${name} is left alone: not yet`, async () => {
      arrange();
      assert.equal(await sandboxes.furnish(only4), false);
      assert.deepEqual(inside.sent, []);
    });
  }

  for (const errno of ["ENOENT", "EINVAL"]) {
    test(`that cannot be entered (${errno}) is not there yet, or not any more`, async () => {
      inside.gone = errno;
      assert.equal(await sandboxes.furnish(only4), false);
    });
  }

  test("whose interface goes down in between is tried again", async () => {
    inside.refuse = (_change, index) => (index === 2 ? "ENETDOWN" : undefined);
    assert.equal(await sandboxes.furnish(only4), false);
  });

  test("that has it all already is as good as new", async () => {
    inside.refuse = (change) => {
      const type = change.readUInt16LE(4);
      return type === 32 ? "EEXIST" : type === 33 ? "ENOENT" : undefined;
    };
    assert.equal(await sandboxes.furnish(dual), true);
  });

  test("where something else is refused is an error that names it, and the rest is tried all the same", async () => {
    inside.refuse = (_change, index) => (index === 4 ? "EPERM" : undefined);
    await assert.rejects(sandboxes.furnish(only4), { errno: "EPERM", operation: "add rule to 192.0.2.10" });
    assert.equal(inside.sent.length, 8);
  });

  test("that cannot be entered for another reason is an error", async () => {
    inside.gone = "EPERM";
    await assert.rejects(sandboxes.furnish(only4), { errno: "EPERM" });
  });

  describe("with addresses of its own", () => {
    const flat: FurnishSpec = {
      ...only4,
      sharesAddress: false,
      routes: [{ address: ip("10.20.1.2"), gateway }],
      note: "",
    };
    const rules = [
      addRule({ family: "ipv4", preference: 21, table, from: ip("10.20.1.2") }),
      addRule({ family: "ipv4", preference: 20, table: 254, from: ip("10.20.1.2"), exceptGroup: 0 }),
    ];
    const at = (text: string, index = 7): void => {
      inside.addresses.push({ index, address: parseInterfaceAddress(text) });
    };

    test("has rules for what it sends, and keeps its look-up of own addresses where it was", async () => {
      at("10.20.1.2/32");
      assert.equal(await sandboxes.furnish(flat), true);
      assert.deepEqual(inside.sent, [
        configureFurnished({ index: 7, group: 0xfa1a, note: "" }),
        addNeighbour({ address: gateway, mac: hostMac(flat.hostIf), index: 7 }),
        addRoute({ destination: "ipv4", gateway, index: 7, table }),
        ...rules,
      ]);
    });

    test("loses the length of the subnet: IPv4 gets the whole address before, IPv6 after", async () => {
      for (const one of ["10.20.1.2/24", "fd00:20:1::2/64", "fe80::1/64", "10.20.1.9/24"]) {
        at(one);
      }
      at("10.20.1.2/24", 9);
      const six = { address: ip("fd00:20:1::2"), gateway: ip("fe80::fa17:0:1") };
      await sandboxes.furnish({ ...flat, routes: [...flat.routes, six] });
      assert.deepEqual(inside.sent.slice(-4), [
        addAddress(7, parseInterfaceAddress("10.20.1.2/32")),
        deleteAddress(7, parseInterfaceAddress("10.20.1.2/24")),
        deleteAddress(7, parseInterfaceAddress("fd00:20:1::2/64")),
        addAddress(7, parseInterfaceAddress("fd00:20:1::2/128")),
      ]);
    });
  });
});
