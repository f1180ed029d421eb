import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { reconcile, recover } from "../../../src/apply/reconcile.ts";
import { planBridge, planBridgePort } from "../../../src/plan/bridge.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointOf,
  endpointRequest,
  ip,
  joinRequest,
  networkId,
  networkOf,
  networkRequest,
  port,
  programRequest,
  sandboxKey,
} from "../../fakes/requests.ts";

describe("recovery", () => {
  let host: FakeHost;

  /** Network 1 with endpoints 1 (joined, published, moved) and 2 (created). */
  async function populate(): Promise<void> {
    await host.driver.createNetwork(networkRequest(1, { v6: true }), fakeCall());
    await host.driver.createEndpoint(endpointRequest(1, 1, { v6: true }), fakeCall());
    await host.driver.createEndpoint(endpointRequest(2), fakeCall());
    const { interface: moved } = await host.driver.join(joinRequest(1), fakeCall());
    host.kernel.links.moveToSandbox(moved?.srcName ?? "", sandboxKey(1));
    await host.driver.programExternalConnectivity(programRequest([port("8080:80"), port("7000-7002:70")]), fakeCall());
  }

  const endpoints = (): string[] => host.workshop.registry.endpoints().map(({ id }) => id);
  const logged = (): string => host.log.lines.join("\n");

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });

  test("on an empty host does nothing, and asks the kernel for next to nothing", async () => {
    assert.equal(host.kernel.transcript(), new FakeHost().kernel.transcript());
    const asked = [
      "store.load",
      "links.listOwned",
      "links.uplink",
      "nft.remove",
      "engineFirewall.retract",
      "routes.listOwned",
    ];
    assert.deepEqual(host.run.process.calls, asked);
  });

  test("after a restart nothing changes, and the host ports are held again", async () => {
    await populate();
    const before = host.kernel.transcript();
    await host.restart();
    assert.equal(host.kernel.transcript(), before);
    await host.checkNothingLeaks();
  });

  test("after a reboot networks stand again and containers are gone", async () => {
    await populate();
    await host.reboot();
    assert.deepEqual(endpoints(), [endpointId(2)]);
    assert.match(host.kernel.transcript(), /link fwba001a001a001 bridge/);
    await host.checkNothingLeaks();
  });

  test("after a reboot forwarding stays off until the first container comes", async () => {
    await populate();
    await host.reboot();
    assert.equal(host.kernel.sysctls.values.get("net/ipv4/ip_forward"), "0");
    await host.driver.join(joinRequest(2), fakeCall());
    assert.equal(host.kernel.sysctls.values.get("net/ipv4/ip_forward"), "1");
    assert.equal(host.kernel.sysctls.values.get("net/ipv6/conf/all/forwarding"), "1");
  });

  for (let nth = 1; nth <= 9; nth += 1) {
    for (const moment of ["before", "after"] as const) {
      test(`killed ${moment} call ${nth} of a network's creation: the next start leaves all or nothing`, async () => {
        host.run.process.crashNth(nth, moment);
        void host.driver.createNetwork(networkRequest(1), fakeCall()).catch(() => undefined);
        for (let turn = 0; turn < 20 && !host.run.process.dead; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        await host.restart();
        await host.checkNothingLeaks();
        await host.driver.createNetwork(networkRequest(1), fakeCall());
        await host.checkNothingLeaks();
      });
    }
  }

  for (let nth = 1; nth <= 8; nth += 1) {
    test(`killed at call ${nth} of a recovery: the next one completes it`, async () => {
      await populate();
      host.kill();
      host.kernel.reboot();
      await host.start((process) => process.crashNth(nth, "after"));
      await host.restart();
      await host.checkNothingLeaks();
    });
  }

  test("links without a record go, foreign ones stay", async () => {
    await populate();
    const { links } = host.kernel;
    await links.ensureBridge(planBridge(networkOf({}, 7)));
    await links.addVeth(
      planBridgePort(networkOf({}, 7), endpointOf({}, 7, 7), {
        bridgedIpv4Filtered: false,
        bridgedIpv6Filtered: false,
      }),
    );
    links.addForeign("br-office");
    await reconcile(host.workshop);
    assert.match(logged(), /warn removed leftover links/);
    await host.checkNothingLeaks();
    assert.ok(links.links.has("br-office"));
  });

  test("an endpoint whose pair has gone is removed with its ports; one that was never attached stays", async () => {
    await populate();
    host.kill();
    host.kernel.links.endSandbox(sandboxKey(1));
    await host.start();
    assert.deepEqual(endpoints(), [endpointId(2)]);
    await host.checkNothingLeaks();
  });

  test("a join under way is not taken for dead", async () => {
    await populate();
    const joining = host.driver.join(joinRequest(2), fakeCall());
    await Promise.all([joining, reconcile(host.workshop), reconcile(host.workshop)]);
    assert.equal(host.workshop.registry.endpoint(endpointId(2))?.state, "joined");
    await host.checkNothingLeaks();
  });

  test("a network that is deleted meanwhile does not come back", async () => {
    await populate();
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await Promise.all([
      reconcile(host.workshop),
      host.driver.deleteNetwork(networkId(1), fakeCall()),
      host.driver.deleteNetwork(networkId(2), fakeCall()),
    ]);
    await host.checkNothingLeaks();
    assert.deepEqual(host.workshop.registry.networks(), []);
  });

  test("a network that is created meanwhile stays", async () => {
    await Promise.all([reconcile(host.workshop), host.driver.createNetwork(networkRequest(1), fakeCall())]);
    assert.equal(host.workshop.registry.network(networkId(1))?.state, "ready");
    await host.checkNothingLeaks();
  });

  test("one network that cannot be restored does not keep the others from it", async () => {
    await populate();
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    host.kill();
    host.kernel.reboot();
    host.kernel.links.addForeign("fwba001a001a001");
    await host.start();
    assert.match(logged(), /error could not restore a network/);
    assert.ok(host.kernel.links.links.has("fwba002a002a002"));
    assert.ok(host.workshop.registry.network(networkId(1)) !== undefined);
  });

  test("a port that another process took meanwhile is reported, and the rest is held", async () => {
    await populate();
    host.kill();
    host.kernel.hostPorts.addForeign({ protocol: "tcp", address: ip("0.0.0.0"), port: 8080 });
    await host.start();
    assert.match(logged(), /warn a published port was taken by another process meanwhile/);
  });

  test("of two records that publish the same port, one keeps it, and the start goes on", async () => {
    await populate();
    const [first, second] = host.workshop.registry.endpoints();
    assert.ok(first !== undefined && second !== undefined && first.publications.length > 0);
    host.kill();
    host.store.putEndpoint({ ...second, publications: first.publications });
    await host.start();
    assert.match(logged(), /warn two records published the same port; one of them lost it/);
    await host.checkNothingLeaks();
  });

  test("a packet filter that was flushed is whole after the start", async () => {
    await populate();
    host.kill();
    host.kernel.nft.flush();
    await host.start();
    await host.checkNothingLeaks();
  });

  test("leftovers of a run that died after its last network was deleted go", async () => {
    await populate();
    const { process } = host.run;
    void host.driver.deleteNetwork(networkId(1), fakeCall());
    while (host.store.load().networks.length > 0) {
      await undefined;
    }
    process.kill();
    await host.start();
    await host.checkNothingLeaks();
  });

  test("running twice changes nothing", async () => {
    await populate();
    const before = host.kernel.transcript();
    await recover(host.workshop);
    assert.equal(host.kernel.transcript(), before);
  });

  test("a record that stayed half-made, because the disk failed, is taken back", async () => {
    await populate();
    const { process } = host.run;
    process.failNext("links.ensureBridge", "ENOMEM");
    process.failNext("store.deleteNetwork", "EIO");
    await assert.rejects(host.driver.createNetwork(networkRequest(2), fakeCall()), { code: "FW9001" });
    await host.driver.finishDeletes();
    await host.checkNothingLeaks();
    await host.restart();
    await host.checkNothingLeaks();
  });

  describe("links that vanish", () => {
    test("take their endpoint and its ports along, at once", async () => {
      await populate();
      host.kernel.links.endSandbox(sandboxKey(1));
      await host.quiet();
      assert.deepEqual(endpoints(), [endpointId(2)]);
      await host.checkNothingLeaks();
    });

    test("of strangers, of unattached endpoints and of containers do nothing", async () => {
      await populate();
      for (const name of ["eth0", "fwve002e002e002", "fwce001e001e001", "fwv"]) {
        host.kernel.links.monitor.emitGone(name);
      }
      await host.quiet();
      assert.deepEqual(endpoints(), [endpointId(1), endpointId(2)]);
    });

    test("and are there again, as a leftover that a join replaces, do nothing", async () => {
      await populate();
      host.kernel.links.monitor.emitGone("fwve001e001e001");
      await host.quiet();
      assert.deepEqual(endpoints(), [endpointId(1), endpointId(2)]);
    });

    test("a bridge is rebuilt", async () => {
      await host.driver.createNetwork(networkRequest(1), fakeCall());
      host.kernel.links.remove("fwba001a001a001");
      await host.quiet();
      assert.match(logged(), /warn a bridge was removed by others; rebuilding/);
      await host.checkNothingLeaks();
    });

    test("a bridge is rebuilt with its containers attached", async () => {
      await populate();
      host.kernel.links.remove("fwba001a001a001");
      await host.quiet();
      await host.checkNothingLeaks();
    });

    test("lost events lead to a comparison of everything", async () => {
      await populate();
      host.kernel.links.links.delete("fwve001e001e001");
      host.kernel.links.links.delete("fwba001a001a001");
      host.kernel.links.monitor.overrun();
      await host.quiet();
      await host.checkNothingLeaks();
    });

    test("a failing clean-up is logged and does not end the daemon", async () => {
      await populate();
      host.run.process.failNext("links.listOwned", "ENOBUFS");
      host.kernel.links.monitor.overrun();
      await host.quiet();
      assert.match(logged(), /error clean-up after a vanished link failed: KernelError: links\.listOwned: ENOBUFS/);
    });
  });
});
