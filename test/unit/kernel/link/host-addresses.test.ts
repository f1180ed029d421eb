import assert from "node:assert/strict";
import { test } from "node:test";
import { listHostAddresses } from "../../../../src/kernel/link/host-addresses.ts";
import { Rtnetlink } from "../../../../src/kernel/link/rtnetlink.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";
import { FakeNetlink, type FakeNetlinkAddress } from "../../../fakes/fake-netlink.ts";

/** Of include/uapi/linux/if_addr.h and rtnetlink.h. */
const [temporary, deprecated, tentative, permanent, stablePrivacy] = [0x01, 0x20, 0x40, 0x80, 0x800];
const linkScope = 253;

async function list(addresses: readonly [number, string, Partial<FakeNetlinkAddress>?][], device?: string) {
  const host = new FakeNetlink();
  host.links.push({ index: 1, name: "lo" }, { index: 2, name: "eth0" }, { index: 3, name: "eth1" });
  host.addresses.push(
    ...addresses.map(([index, text, more]) => ({ index, address: parseInterfaceAddress(text), ...more })),
  );
  const found = await listHostAddresses(new Rtnetlink(host), device);
  return found.map(({ address, device: at }) => `${address} ${at}`);
}

test("addresses come in the kernel's order, with their interfaces and without loopback's", async () => {
  const all: [number, string][] = [
    [1, "127.0.0.1/8"],
    [1, "203.0.113.1/32"],
    [3, "198.51.100.1/24"],
    [2, "192.0.2.10/24"],
    [2, "2001:db8::10/64"],
  ];
  assert.deepEqual(await list(all), ["198.51.100.1 eth1", "192.0.2.10 eth0", "2001:db8::10 eth0"]);
  assert.deepEqual(await list(all, "eth0"), ["192.0.2.10 eth0", "2001:db8::10 eth0"]);
  assert.deepEqual(await list(all, "eth9"), []);
});

test("those that nobody can reach the host by, or soon cannot, are none", async () => {
  assert.deepEqual(
    await list([
      [2, "169.254.1.1/16", { scope: linkScope }],
      [2, "fe80::1/64", { scope: linkScope, flags: permanent }],
      [2, "2001:db8::1/64", { flags: tentative }],
      [2, "2001:db8::2/64", { flags: deprecated }],
      [2, "2001:db8::3/64", { flags: permanent | stablePrivacy }],
    ]),
    ["2001:db8::3 eth0"],
  );
});

test("privacy addresses and further ones of a subnet come last", async () => {
  assert.deepEqual(
    await list([
      [2, "2001:db8::aaaa/64", { flags: temporary }],
      [2, "2001:db8::10/64"],
      [2, "192.0.2.11/24", { flags: temporary }],
      [2, "192.0.2.10/24"],
    ]),
    ["2001:db8::10 eth0", "192.0.2.10 eth0", "2001:db8::aaaa eth0", "192.0.2.11 eth0"],
  );
});

test("an interface that went away between the two questions is left out", async () => {
  assert.deepEqual(await list([[9, "192.0.2.10/24"]]), []);
});
