import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { FairwayError } from "../../../../src/errors.ts";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../../src/model/ip.ts";
import { linkGroup } from "../../../../src/plan/names.ts";
import { bridgeSpec, ip, links, reaperTransport, seeAddresses, seeLink, sysctls, transport, vethSpec } from "./rig.ts";

after(async () => {
  await transport[Symbol.asyncDispose]();
  await reaperTransport[Symbol.asyncDispose]();
});

function ipv6Knob(name: string, knob: string): string | undefined {
  return sysctls.read(["net", "ipv6", "conf", name, knob]);
}

test("a new bridge is as wished", async () => {
  await links.ensureBridge(bridgeSpec("fwb1"));
  const link = seeLink("fwb1");
  assert.equal(link?.linkinfo?.info_kind, "bridge");
  assert.equal(link.address, "02:11:22:33:44:55");
  assert.equal(link.mtu, 1400);
  assert.equal(link.group, String(linkGroup));
  assert.equal(link.ifalias, "fairway:network:fwb1");
  assert.ok(link.flags.includes("UP"));
  const data = link.linkinfo.info_data ?? {};
  assert.deepEqual([data["forward_delay"], data["stp_state"], data["mcast_snooping"]], [0, 0, 0]);
  assert.deepEqual(seeAddresses("fwb1"), ["10.9.0.1/24", "fd00:9::1/64"]);
  assert.equal(sysctls.read(["net", "ipv4", "conf", "fwb1", "route_localnet"]), "1");
  assert.deepEqual(
    ["accept_ra", "autoconf", "disable_ipv6"].map((knob) => ipv6Knob("fwb1", knob)),
    ["0", "0", "0"],
  );
  const shown = ip("-6 address show dev fwb1");
  assert.match(shown, /fd00:9::1\/64 scope global.*nodad/);
  assert.match(ip("-4 address show dev fwb1"), /brd 10\.9\.0\.255/);
});

test("a bridge without IPv6 has it switched off", async () => {
  await links.ensureBridge(bridgeSpec("fwb2", { ipv6: false, addresses: [parseInterfaceAddress("10.8.0.1/24")] }));
  assert.equal(ipv6Knob("fwb2", "disable_ipv6"), "1");
  assert.equal(ip("-6 address show dev fwb2"), "");
  assert.deepEqual(seeAddresses("fwb2"), ["10.8.0.1/24"]);
});

test("a bridge of ours is brought back to the wish", async () => {
  const spec = bridgeSpec("fwb3");
  await links.ensureBridge(spec);
  const before = seeLink("fwb3");
  ip("link set fwb3 down mtu 1300 address 02:99:99:99:99:99");
  ip("address flush dev fwb3");
  ip("address add 192.0.2.1/24 dev fwb3");
  ip("address add 10.9.0.7/24 dev fwb3");
  ip("address add 10.9.0.1/24 dev fwb3");
  ip("address add 2001:db8::1/64 dev fwb3");
  await links.ensureBridge(spec);
  const link = seeLink("fwb3");
  assert.equal(link?.ifindex, before?.ifindex, "the same bridge, not another one");
  assert.equal(link?.mtu, 1400);
  assert.equal(link.address, "02:11:22:33:44:55");
  assert.ok(link.flags.includes("UP"));
  assert.deepEqual(seeAddresses("fwb3"), ["10.9.0.1/24", "fd00:9::1/64"]);
});

test("a bridge changes over to another wish, IPv6 off and on included", async () => {
  await links.ensureBridge(bridgeSpec("fwb4"));
  const changed = bridgeSpec("fwb4", {
    mac: parseMac("02:00:00:00:00:44"),
    mtu: 9000,
    addresses: [parseInterfaceAddress("10.7.0.1/16")],
    ipv6: false,
  });
  await links.ensureBridge(changed);
  assert.deepEqual([seeLink("fwb4")?.address, seeLink("fwb4")?.mtu], ["02:00:00:00:00:44", 9000]);
  assert.deepEqual(seeAddresses("fwb4"), ["10.7.0.1/16"]);
  assert.equal(ipv6Knob("fwb4", "disable_ipv6"), "1");
  await links.ensureBridge(bridgeSpec("fwb4"));
  assert.deepEqual(seeAddresses("fwb4"), ["10.9.0.1/24", "fd00:9::1/64"]);
});

test("a bridge that is right already keeps its addresses and neighbours", async () => {
  const spec = bridgeSpec("fwb5");
  await links.ensureBridge(spec);
  ip("neighbour add 10.9.0.77 lladdr 02:00:00:00:00:77 dev fwb5");
  await links.ensureBridge(spec);
  assert.match(ip("neighbour show dev fwb5"), /10\.9\.0\.77/);
});

test("the kernel's own link-local address survives", async () => {
  const spec = bridgeSpec("fwb6");
  await links.ensureBridge(spec);
  await links.addVeth(vethSpec(60, "fwb6"));
  ip("address add fe80::1234/64 dev fwb6");
  await links.ensureBridge(spec);
  assert.match(ip("-6 address show dev fwb6"), /fe80::1234/);
});

test("an MTU above the default stays when the last port goes", async () => {
  await links.ensureBridge(bridgeSpec("fwb7", { mtu: 9000 }));
  await links.addVeth(vethSpec(70, "fwb7", { mtu: 9000 }));
  ip("link delete fwv70");
  assert.equal(seeLink("fwb7")?.mtu, 9000);
});

test("a crash between creation and alias does not block the name", async () => {
  ip(`link add fwb8 group ${linkGroup} type bridge`);
  await links.ensureBridge(bridgeSpec("fwb8"));
  assert.equal(seeLink("fwb8")?.ifalias, "fairway:network:fwb8");
});

const foreign = {
  "somebody's bridge": { make: ["link add fwb9 type bridge"], is: /it is a bridge interface$/ },
  "a bridge of another network": {
    make: [`link add fwb9 group ${linkGroup} type bridge`, "link set fwb9 alias fairway:network:other"],
    is: /a bridge interface with the alias "fairway:network:other"/,
  },
  "no bridge at all": { make: ["link add fwb9 type veth peer name fwp9"], is: /it is a veth interface/ },
  "no bridge, but with our alias": {
    make: ["link add fwb9 type veth peer name fwp9", "link set fwb9 alias fairway:network:fwb9"],
    is: /it is a veth interface/,
  },
};

for (const [name, { make, is }] of Object.entries(foreign)) {
  test(`${name} is refused and left alone`, async () => {
    for (const command of make) {
      ip(command);
    }
    const before = seeLink("fwb9");
    await assert.rejects(links.ensureBridge(bridgeSpec("fwb9")), (error) => {
      assert.ok(error instanceof FairwayError);
      assert.equal(error.code, "FW3007");
      assert.match(error.message, /fwb9/);
      assert.match(error.why ?? "", is);
      return true;
    });
    assert.deepEqual(seeLink("fwb9"), before);
    ip("link delete fwb9");
  });
}

test("a bridge that cannot be configured is deleted again", async () => {
  await assert.rejects(links.ensureBridge(bridgeSpec("fwb10", { mtu: 70_000 })), (error) =>
    isKernelError(error, "EINVAL"),
  );
  assert.equal(seeLink("fwb10"), undefined);
});

test("a bridge that does not get its address is deleted again", async () => {
  // IPv6 is off, but one of the addresses is IPv6: a contradiction that only the kernel sees.
  await assert.rejects(
    links.ensureBridge(bridgeSpec("fwb11", { ipv6: false })),
    (error) => isKernelError(error) && error.message.includes("fd00:9::1/64"),
  );
  assert.equal(seeLink("fwb11"), undefined);
});

test("a bridge that existed before a failure stays", async () => {
  await links.ensureBridge(bridgeSpec("fwb12"));
  await assert.rejects(links.ensureBridge(bridgeSpec("fwb12", { mtu: 70_000 })));
  assert.ok(seeLink("fwb12"));
});

test("where /proc/sys cannot be written, values that are right already are enough", async () => {
  const spec = bridgeSpec("fwb13");
  await links.ensureBridge(spec);
  execFileSync("mount", ["--make-rprivate", "/"]);
  execFileSync("mount", ["--bind", "/proc/sys", "/proc/sys"]);
  try {
    execFileSync("mount", ["-o", "remount,bind,ro", "/proc/sys"]);
    await links.ensureBridge(spec);
    await assert.rejects(links.ensureBridge(bridgeSpec("fwb14")), (error) => isKernelError(error, "EROFS"));
    assert.equal(seeLink("fwb14"), undefined);
  } finally {
    execFileSync("umount", ["/proc/sys"]);
  }
});
