import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createExecutors } from "../../../src/apply/executors.ts";
import { Firewall } from "../../../src/apply/firewall.ts";
import type { Family } from "../../../src/model/ip.ts";
import { parsePrefix } from "../../../src/model/ip.ts";
import { planRuleset } from "../../../src/plan/firewall.ts";
import { FakeKernel } from "../../fakes/fake-kernel.ts";
import { FakeProcess } from "../../fakes/fake-process.ts";

const acceptRa = (device: string): string => `net/ipv6/conf/${device}/accept_ra`;
const forwarding6 = "net/ipv6/conf/all/forwarding";

/** Devices with their accept_ra; an IPv6 default route leads by each of `defaults`. */
function bench(knobs: Readonly<Record<string, string>>, defaults: readonly string[]) {
  const kernel = new FakeKernel();
  for (const [device, value] of Object.entries(knobs)) {
    kernel.sysctls.values.set(acceptRa(device), value);
  }
  const route = { onLink: false, priority: 1024 } as const;
  kernel.links.routes.push(
    ...defaults.map((device) => ({ ...route, family: "ipv6" as const, device })),
    { ...route, family: "ipv4", device: "eth4" },
    { ...route, family: "ipv6", device: "eth6", destination: parsePrefix("2001:db8:1::/48") },
  );
  const port = kernel.open(new FakeProcess());
  const told: string[] = [];
  const firewall = new Firewall({ nft: port.nft, ruleset: planRuleset(), desired: () => [], onDrift: () => undefined });
  const { enableForwarding } = createExecutors(port, firewall, ({ name, was, now }) => {
    assert.ok(
      !kernel.sysctls.writes.some((write) => write.startsWith(`${name.replaceAll(".", "/")}=`)),
      "told too late",
    );
    told.push(`${name} ${was} -> ${now}`);
  });
  const enable = (...families: Family[]) => enableForwarding({ do: "enableForwarding", families });
  return { kernel, enable, told };
}

describe("forwarding", () => {
  test("of IPv6 keeps the host's router advertisements, and says so to the kernel first", async () => {
    const { kernel, enable, told } = bench({ eth0: "1" }, ["eth0"]);
    await enable("ipv4", "ipv6");
    assert.deepEqual(kernel.sysctls.writes, ["net/ipv4/ip_forward=1", `${acceptRa("eth0")}=2`, `${forwarding6}=1`]);
    assert.deepEqual(told, [
      "net.ipv4.ip_forward 0 -> 1",
      "net.ipv6.conf.eth0.accept_ra 1 -> 2",
      "net.ipv6.conf.all.forwarding 0 -> 1",
    ]);
  });

  test("of IPv4 alone touches nothing of IPv6", async () => {
    const { kernel, enable } = bench({ eth0: "1" }, ["eth0"]);
    await enable("ipv4");
    assert.deepEqual(kernel.sysctls.writes, ["net/ipv4/ip_forward=1"]);
  });

  test("every interface with an IPv6 default route is asked, once, and no other", async () => {
    const { kernel, enable } = bench({ eth0: "1", eth1: "1", eth4: "1", eth6: "1" }, ["eth0", "eth1", "eth0"]);
    await enable("ipv6");
    assert.deepEqual(kernel.sysctls.writes, [`${acceptRa("eth0")}=2`, `${acceptRa("eth1")}=2`, `${forwarding6}=1`]);
  });

  for (const value of ["0", "2"]) {
    test(`accept_ra=${value} stays: somebody has decided that`, async () => {
      const { kernel, enable } = bench({ eth0: value }, ["eth0"]);
      await enable("ipv6");
      assert.deepEqual(kernel.sysctls.writes, [`${forwarding6}=1`]);
    });
  }

  test("an interface without the knob is no obstacle", async () => {
    const { kernel, enable } = bench({}, ["wg0"]);
    await enable("ipv6");
    assert.deepEqual(kernel.sysctls.writes, [`${forwarding6}=1`]);
  });

  for (const value of ["1", "2"]) {
    test(`that is ${value} already changes nothing, accept_ra neither`, async () => {
      const { kernel, enable, told } = bench({ eth0: "1" }, ["eth0"]);
      kernel.sysctls.values.set(forwarding6, value);
      await enable("ipv6");
      assert.deepEqual(kernel.sysctls.writes, []);
      assert.deepEqual(told, []);
    });
  }

  test("of a kernel without IPv6 is nothing", async () => {
    const { kernel, enable } = bench({}, []);
    kernel.sysctls.values.delete(forwarding6);
    await enable("ipv6");
    assert.deepEqual(kernel.sysctls.writes, []);
  });
});
