/** The host gets another address while containers have the old one. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  hostEndpointRequest,
  hostNetworkRequest,
  ip,
  joinRequest,
  networkId,
  networkRequest,
  port,
  programRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

let host: FakeHost;

const at = (address: string, device = "eth0") => ({ address: ip(address), device });
const [old4, old6] = [at("192.0.2.10"), at("2001:db8::10")];

/** The kernel tells of it. */
async function renumber(...addresses: ReturnType<typeof at>[]): Promise<void> {
  host.kernel.links.addresses = addresses;
  for (const { address } of addresses) {
    host.kernel.hostPorts.hostAddresses.add(address);
  }
  host.kernel.links.monitor.emitAddressChange();
  await host.quiet();
}

async function attach(number: number, network = 1): Promise<void> {
  await host.driver.createEndpoint(hostEndpointRequest(number, network), fakeCall());
  const exposed = [{ protocol: "tcp", port: 80 + number }] as const;
  const { interface: moved } = await host.driver.join(joinRequest(number, network, number, { exposed }), fakeCall());
  host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(number));
}

const create = (number = 1, options: Readonly<Record<string, string>> = {}): Promise<void> =>
  host.driver.createNetwork(hostNetworkRequest(number, options), fakeCall());
const endpoint = (number = 1) => host.workshop.registry.endpoint(endpointId(number));
const sockets = (): string[] => host.kernel.hostPorts.transcript().map((line) => line.split(" ").slice(1, 3).join(" "));
const elements = (set: RegExp): string[] => host.kernel.nft.transcript().filter((line) => set.test(line));
const shared = (number = 1) => {
  const network = host.workshop.registry.network(networkId(number));
  return network?.mode === "host" ? [network.sharedIpv4, network.sharedIpv6] : [];
};
const warnings = (): string[] => host.log.lines.filter((line) => line.includes("address has changed"));

beforeEach(async () => {
  host = new FakeHost();
  await host.start();
});
afterEach(() => host.checkNothingLeaks());

describe("when the host's address changes", () => {
  beforeEach(async () => {
    await create();
    await attach(1);
    await host.driver.programExternalConnectivity(
      programRequest([port("8080:80"), port("127.0.0.1:99:99")]),
      fakeCall(),
    );
  });

  test("claimed and published ports move to the new one, and those of loopback and IPv6 stay", async () => {
    await renumber(at("192.0.2.77"), old6);
    assert.deepEqual(shared(), ["192.0.2.77", "2001:db8::10"]);
    assert.deepEqual(
      sockets(),
      [
        ...["127.0.0.1:8080", "127.0.0.1:81", "127.0.0.1:99", "192.0.2.77:8080", "192.0.2.77:81"],
        ...["[2001:db8::10]:8080", "[2001:db8::10]:81", "[::1]:8080", "[::1]:81"],
      ].map((place) => `tcp ${place}`),
    );
    assert.deepEqual(elements(/192\.0\.2\.10 . tcp/), []);
    assert.equal(elements(/192\.0\.2\.77 . tcp/).length, 2);
  });

  test("the container keeps the address that it sees, its stand-in and its pair", async () => {
    const before = endpoint();
    const links = host.kernel.links.transcript();
    await renumber(at("192.0.2.77"), old6);
    assert.equal(endpoint()?.ipv4, "192.0.2.10/32");
    assert.equal(endpoint()?.standIn, before?.standIn);
    assert.deepEqual(host.kernel.links.transcript(), links);
    assert.equal(elements(/real4 .* : 192\.0\.2\.10 }/).length, 1);
    assert.equal(elements(/shared4 .* : 192\.0\.2\.77 }/).length, 1);
    assert.equal(warnings().length, 1);
  });

  test("elements that did not change are left alone", async () => {
    const { length } = host.kernel.nft.transactions;
    await renumber(at("192.0.2.77"), old6);
    // Of shared4 and of two ports, one element each goes and one comes.
    assert.deepEqual(host.kernel.nft.transactions.slice(length), [{ kind: "change", elements: 6 }]);
  });

  test("flows under the old translation are forgotten", async () => {
    const { length } = host.kernel.conntrack.forgotten;
    await renumber(at("192.0.2.77"), old6);
    assert.ok(
      host.kernel.conntrack.forgotten
        .slice(length)
        .some((one) => one.kind === "hostPort" && one.address === "192.0.2.77" && one.first === 81),
    );
  });

  test("both families at once are one change", async () => {
    await renumber(at("192.0.2.77"), at("2001:db8::77"));
    assert.deepEqual(shared(), ["192.0.2.77", "2001:db8::77"]);
    assert.equal(warnings().length, 1);
    assert.equal(sockets().filter((one) => one.includes("[2001:db8::77]:")).length, 2);
  });

  test("one that is gone, with none in its place, stays in force", async () => {
    const before = host.kernel.transcript();
    await renumber(old6);
    await renumber();
    assert.equal(host.kernel.transcript(), before);
    assert.deepEqual(warnings(), []);
    await renumber(old4, old6);
    assert.equal(host.kernel.transcript(), before);
  });

  test("one more besides it changes nothing, nor does one of another interface", async () => {
    const { length } = host.run.process.calls;
    await renumber(old4, old6, at("192.0.2.11"), at("203.0.113.1", "eth1"));
    assert.ok(
      !host.run.process.calls.slice(length).some((call) => call.startsWith("store.") || call.startsWith("nft.")),
    );
  });

  test("a newer IPv6 address, which the kernel lists first, is no reason to leave the old one", async () => {
    const before = host.kernel.transcript();
    await renumber(old4, at("2001:db8::99"), old6);
    assert.equal(host.kernel.transcript(), before);
    assert.deepEqual(warnings(), []);
  });

  test("a new default route leads to the addresses of its interface when the old ones are gone, not before", async () => {
    host.kernel.links.defaultRoute = { name: "eth1", mtuBytes: 1500 };
    await renumber(old4, old6, at("198.51.100.1", "eth1"));
    assert.deepEqual(shared(), ["192.0.2.10", "2001:db8::10"]);
    await renumber(old6, at("198.51.100.1", "eth1"));
    assert.deepEqual(shared(), ["198.51.100.1", "2001:db8::10"]);
    assert.deepEqual(elements(/uplinks/), ["element uplinks { eth1 }"]);
  });

  test("one container's failure costs the others nothing, and is made good at the next look", async () => {
    await attach(2);
    host.run.process.failNext("store.putEndpoint", "ENOSPC");
    await renumber(at("192.0.2.77"), old6);
    assert.equal(elements(/192\.0\.2\.77 . tcp . 82 /).length, 1);
    assert.equal(elements(/192\.0\.2\.77 . tcp . 81 /).length, 0);
    await renumber(at("192.0.2.77"), old6);
    assert.deepEqual(elements(/192\.0\.2\.10 . tcp/), []);
    assert.ok(sockets().includes("tcp 192.0.2.77:81"));
    assert.equal(warnings().length, 1);
  });

  test("a start that cannot have one address of a port any more holds the others", async () => {
    host.kill();
    host.kernel.hostPorts.addForeign({
      protocol: "tcp",
      address: ip("192.0.2.10"),
      port: 81,
      holder: "nginx (pid 812)",
    });
    await host.start();
    await host.quiet();
    const held = host.kernel.hostPorts
      .sockets()
      .filter(({ port: number, owner }) => number === 81 && owner !== undefined);
    assert.deepEqual(held.map(({ address }) => address).sort(), ["127.0.0.1", "2001:db8::10", "::1"]);
    host.kernel.hostPorts.releaseAll();
    await host.restart();
  });

  test("a daemon that ends in the middle goes on when it starts again, also when the address has changed again", async () => {
    for (const address of ["192.0.2.77", "192.0.2.88"]) {
      host.run.process.failNext("store.putEndpoint", "EIO");
      await renumber(at(address), old6);
      host.kill();
      await host.start();
      await host.quiet();
      assert.deepEqual(shared(), [address, "2001:db8::10"]);
      assert.equal(elements(/192\.0\.2\.\d+ . tcp . 8(1|080) /).length, 2);
      assert.ok(sockets().includes(`tcp ${address}:81`), sockets().join());
      assert.ok(sockets().includes(`tcp ${address}:8080`));
    }
  });

  test("and back again leaves everything as it was", async () => {
    const before = host.kernel.transcript();
    await renumber(at("192.0.2.77"), old6);
    await renumber(old4, old6);
    assert.equal(host.kernel.transcript(), before);
  });

  test("a container that comes afterwards has the new one", async () => {
    await renumber(at("192.0.2.77"), old6);
    await host.driver.createEndpoint(endpointRequest(2, 1, { v4: false }), fakeCall());
    assert.equal(endpoint(2)?.ipv4, "192.0.2.77/32");
  });

  test("a port that somebody has at the new one is lost alone, with a warning", async () => {
    host.kernel.hostPorts.addForeign({ protocol: "tcp", address: ip("192.0.2.77"), port: 81 });
    await renumber(at("192.0.2.77"), old6);
    assert.ok(sockets().includes("tcp 192.0.2.77:8080"));
    assert.match(host.log.lines.join("\n"), /warn a published port was taken by another process meanwhile/);
    host.kernel.hostPorts.releaseAll();
    await host.restart();
    await host.restart();
  });

  test("an event that was lost is made up for by the next look", async (context) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    context.after(() => mock.timers.reset());
    await host.restart();
    host.kernel.hostPorts.hostAddresses.add("192.0.2.77");
    host.kernel.links.addresses = [at("192.0.2.77"), old6];
    host.workshop.keeper.nudge();
    mock.timers.tick(500);
    await host.quiet();
    assert.deepEqual(shared(), ["192.0.2.77", "2001:db8::10"]);
  });

  test("after a restart the change is there", async () => {
    await renumber(at("192.0.2.77"), old6);
    const before = host.kernel.transcript();
    await host.restart();
    assert.equal(host.kernel.transcript(), before);
  });
});

describe("which networks follow", () => {
  test("with host_ip none, whatever happens", async () => {
    await create(1, { host_ip: "192.0.2.10" });
    await attach(1);
    const before = host.kernel.transcript();
    await renumber(at("192.0.2.77"), old6);
    assert.equal(host.kernel.transcript(), before);
  });

  test("with parent those of that interface", async () => {
    await create(1, { parent: "eth1" });
    await create(2);
    await renumber(old4, old6, at("198.51.100.77", "eth1"));
    assert.deepEqual(shared(1), ["198.51.100.77", undefined]);
    assert.deepEqual(shared(2), ["192.0.2.10", "2001:db8::10"]);
    assert.equal(warnings().length, 1);
  });

  test("a bridge of ours has no address of the host, even with the default route", async () => {
    await create(1);
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    host.kernel.links.defaultRoute = { name: "fwba002a002a002", mtuBytes: 1500 };
    await renumber(at("10.88.2.1", "fwba002a002a002"), old4, old6);
    assert.deepEqual(shared(1), ["192.0.2.10", "2001:db8::10"]);
  });

  test("without any the kernel is not asked", async () => {
    await host.driver.createNetwork(networkRequest(1), fakeCall());
    const { length } = host.run.process.calls;
    await renumber(at("192.0.2.77"));
    assert.equal(host.run.process.calls.length, length);
  });

  test("IPv6 that comes later is shared with the containers that come after it", async () => {
    host.kernel.links.addresses = [old4];
    await create();
    await attach(1);
    await renumber(old4, old6);
    assert.deepEqual(shared(), ["192.0.2.10", "2001:db8::10"]);
    assert.equal(endpoint(1)?.ipv6, undefined);
    await attach(2);
    assert.equal(endpoint(2)?.ipv6, "2001:db8::10/128");
    assert.equal(host.kernel.sysctls.values.get("net/ipv6/conf/all/forwarding"), "1");
  });
});
