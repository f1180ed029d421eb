import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FairwayError } from "../../../../src/errors.ts";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { isolatedLinkGroup, linkGroup } from "../../../../src/plan/names.ts";
import { bridgeSpec, ip, links, reaperTransport, seeLink, seeLinks, transport, vethSpec } from "./rig.ts";

before(() => links.ensureBridge(bridgeSpec("fwb1")));

after(async () => {
  await transport[Symbol.asyncDispose]();
  await reaperTransport[Symbol.asyncDispose]();
});

test("a new pair is as wished", async () => {
  await links.addVeth(vethSpec(1, "fwb1"));
  const host = seeLink("fwv1");
  assert.equal(host?.linkinfo?.info_kind, "veth");
  assert.equal(host.master, "fwb1");
  assert.equal(host.mtu, 1400);
  assert.equal(host.group, String(linkGroup));
  assert.equal(host.ifalias, "fairway:endpoint:1");
  assert.ok(host.flags.includes("UP"));
  assert.equal(host.inet6_addr_gen_mode, "none");
  const port = host.linkinfo.info_slave_data ?? {};
  assert.deepEqual([port["hairpin"], port["isolated"]], [true, false]);
  const sandbox = seeLink("fwc1");
  assert.equal(sandbox?.address, "02:00:00:00:00:01");
  assert.equal(sandbox.mtu, 1400);
  assert.equal(sandbox.master, undefined);
  assert.ok(!sandbox.flags.includes("UP"));
});

test("the group of the host side is as wished from the first moment, and the sandbox side has none", async () => {
  await links.addVeth(vethSpec(20, "fwb1", { group: isolatedLinkGroup }));
  assert.equal(seeLink("fwv20")?.group, String(isolatedLinkGroup));
  assert.equal(seeLink("fwc20")?.group, "default");
});

test("a leftover pair of another group of ours is replaced, and the group with it", async () => {
  ip(`link add fwv21 group ${isolatedLinkGroup} type veth peer name fwc21`);
  await links.addVeth(vethSpec(21, "fwb1"));
  assert.equal(seeLink("fwv21")?.group, String(linkGroup));
  assert.equal(seeLink("fwv21")?.ifalias, "fairway:endpoint:21");
});

test("an isolated port is isolated", async () => {
  await links.addVeth(vethSpec(2, "fwb1", { isolated: true }));
  assert.equal(seeLink("fwv2")?.linkinfo?.info_slave_data?.["isolated"], true);
});

test("a port in service has no IPv6 address, and the bridge keeps its own MAC address", async () => {
  await links.addVeth(vethSpec(3, "fwb1"));
  ip("link set fwc3 up");
  assert.equal(ip("-6 address show dev fwv3"), "");
  assert.equal(seeLink("fwb1")?.address, "02:11:22:33:44:55");
});

test("the address of the host side depends on its name alone", async () => {
  await links.addVeth(vethSpec(4, "fwb1"));
  const first = seeLink("fwv4")?.address;
  ip("link delete fwv4");
  await links.addVeth(vethSpec(4, "fwb1"));
  assert.equal(seeLink("fwv4")?.address, first);
  assert.notEqual(seeLink("fwv3")?.address, first);
});

test("an MTU too small for IPv6 works", async () => {
  await links.ensureBridge(bridgeSpec("fwb2", { mtu: 600, addresses: [], ipv6: false }));
  await links.addVeth(vethSpec(5, "fwb2", { mtu: 600 }));
  assert.equal(seeLink("fwv5")?.mtu, 600);
});

test("a leftover pair of ours is replaced", async () => {
  ip("link add fwv6 type veth peer name fwx6");
  ip("link set fwv6 alias fairway:endpoint:earlier");
  await links.addVeth(vethSpec(6, "fwb1"));
  assert.equal(seeLink("fwv6")?.ifalias, "fairway:endpoint:6");
  assert.equal(seeLink("fwx6"), undefined);
  assert.ok(seeLink("fwc6"));
});

test("a leftover pair that never got its alias is replaced", async () => {
  ip(`link add fwv7 group ${linkGroup} type veth peer name fwc7`);
  await links.addVeth(vethSpec(7, "fwb1"));
  assert.equal(seeLink("fwv7")?.ifalias, "fairway:endpoint:7");
});

for (const [side, name] of [
  ["host", "fwv8"],
  ["sandbox", "fwc8"],
] as const) {
  test(`somebody else's link with the name of the ${side} side is refused and left alone`, async () => {
    ip(`link add ${name} type veth peer name other8`);
    const before8 = seeLink(name);
    await assert.rejects(links.addVeth(vethSpec(8, "fwb1")), (error) => {
      assert.ok(error instanceof FairwayError);
      assert.equal(error.code, "FW3007");
      assert.match(error.message, new RegExp(name));
      return true;
    });
    assert.deepEqual(seeLink(name), before8);
    ip(`link delete ${name}`);
    assert.ok(seeLinks().every(({ ifname }) => ifname !== "fwv8" && ifname !== "fwc8"));
  });
}

test("without its bridge nothing is created", async () => {
  await assert.rejects(links.addVeth(vethSpec(9, "fwb404")), (error) => isKernelError(error, "ENODEV"));
  assert.equal(seeLink("fwv9"), undefined);
});

test("a bridge that was made anew is found", async () => {
  await links.ensureBridge(bridgeSpec("fwb3", { addresses: [] }));
  await links.addVeth(vethSpec(10, "fwb3"));
  ip("link delete fwb3");
  await assert.rejects(links.addVeth(vethSpec(11, "fwb3")), (error) => isKernelError(error, "ENODEV"));
  assert.equal(seeLink("fwv11"), undefined);
  await links.ensureBridge(bridgeSpec("fwb3", { addresses: [] }));
  await links.addVeth(vethSpec(11, "fwb3"));
  assert.equal(seeLink("fwv11")?.master, "fwb3");
});

test("a leftover pair is replaced although its bridge was made anew meanwhile", async () => {
  await links.ensureBridge(bridgeSpec("fwb5", { addresses: [] }));
  await links.addVeth(vethSpec(22, "fwb5"));
  ip("link delete fwb5");
  await links.ensureBridge(bridgeSpec("fwb5", { addresses: [] }));
  await links.addVeth(vethSpec(22, "fwb5"));
  assert.equal(seeLink("fwv22")?.master, "fwb5");
});

test("a pair that cannot be put into service is deleted again", async () => {
  // Longer than IFALIASZ (256) of the kernel.
  const spec = vethSpec(12, "fwb1", { alias: `fairway:${"x".repeat(300)}` });
  await assert.rejects(links.addVeth(spec), (error) => isKernelError(error));
  assert.equal(seeLink("fwv12"), undefined);
  assert.equal(seeLink("fwc12"), undefined);
});

test("a link that is no bridge takes no ports", async () => {
  ip("link add notabridge type veth peer name notabridge2");
  await assert.rejects(links.addVeth(vethSpec(13, "notabridge")), (error) => isKernelError(error));
  assert.equal(seeLink("fwv13"), undefined);
  ip("link delete notabridge");
});

test("many pairs at the same time", async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => 100 + index);
  await Promise.all(numbers.map((number) => links.addVeth(vethSpec(number, "fwb1"))));
  const ports = seeLinks().filter(({ ifname, master }) => /^fwv1\d\d$/.test(ifname) && master === "fwb1");
  assert.equal(ports.length, 20);
  links.deleteLater(numbers.map((number) => vethSpec(number, "fwb1").host));
  await links.settled();
});

test("port 1024 of a bridge is refused in words", async () => {
  await links.ensureBridge(bridgeSpec("fwb4", { addresses: [] }));
  const specs = Array.from({ length: 1024 }, (_, index) => vethSpec(2000 + index, "fwb4"));
  const last = specs.pop();
  assert.ok(last);
  for (const spec of specs) {
    await links.addVeth(spec);
  }
  await assert.rejects(links.addVeth(last), (error) => {
    assert.ok(error instanceof FairwayError);
    assert.equal(error.code, "FW3008");
    assert.match(error.message, /fwb4/);
    return true;
  });
  assert.equal(seeLink(last.host), undefined);
  links.deleteLater(specs.map(({ host }) => host));
  await links.settled();
  assert.ok(seeLinks().every(({ ifname }) => !/^fwv[23]\d{3}$/.test(ifname)));
});
