import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import {
  endpointId,
  endpointRequest,
  ip,
  joinRequest,
  networkId,
  networkRequest,
  port,
  programRequest,
} from "../../fakes/requests.ts";

describe("published ports", () => {
  let host: FakeHost;
  const publish = (texts: readonly string[], number = 1, network = 1): Promise<void> =>
    host.driver.programExternalConnectivity(programRequest(texts.map(port), number, network), fakeCall());
  const revoke = (number = 1): Promise<void> =>
    host.driver.revokeExternalConnectivity(networkId(1), endpointId(number), fakeCall());
  const sockets = (): string[] =>
    host.kernel.hostPorts.transcript().map((line) => line.split(" ").slice(1, 3).join(" "));
  const elements = (): string[] => host.kernel.nft.transcript().filter((line) => /publish_|range_/.test(line));

  async function attach(
    number = 1,
    network = 1,
    more: Parameters<typeof networkRequest>[1] = {},
    sandbox = number,
  ): Promise<void> {
    const v4 = more.v4 ?? true;
    const v6 = more.v6 ?? false;
    if (host.workshop.registry.network(networkId(network)) === undefined) {
      await host.driver.createNetwork(networkRequest(network, more), fakeCall());
    }
    await host.driver.createEndpoint(endpointRequest(number, network, { v4, v6 }), fakeCall());
    await host.driver.join(joinRequest(number, network, sandbox), fakeCall());
  }

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  test("a whole life: one socket and one element, and none afterwards", async () => {
    await attach();
    await publish(["8080:80"]);
    assert.deepEqual(sockets(), ["tcp 0.0.0.0:8080"]);
    assert.deepEqual(elements(), ["element publish_any4 { tcp . 8080 : 10.88.1.2 . 80 }"]);
    assert.deepEqual(host.kernel.conntrack.forgotten, [
      { kind: "hostPort", protocol: "tcp", address: "0.0.0.0", first: 8080, last: 8080 },
    ]);
    await revoke();
    assert.deepEqual([...sockets(), ...elements()], []);
    await revoke();
    await revoke(7);
  });

  test("both families of a dual network, at the same number even when the kernel picks", async () => {
    await attach(1, 1, { v6: true });
    await publish(["0:80"]);
    assert.deepEqual(sockets(), ["tcp 0.0.0.0:32768", "tcp [::]:32768"]);
    assert.deepEqual(elements(), [
      "element publish_any4 { tcp . 32768 : 10.88.1.2 . 80 }",
      "element publish_any6 { tcp . 32768 : fd00:88:1::2 . 80 }",
    ]);
  });

  test("a range of 1000 ports is one transaction with one element, and one claim", async () => {
    await attach();
    const texts = Array.from(
      { length: 1000 },
      (_, offset) => `${20_000 + ((offset * 7) % 1000)}:${20_000 + ((offset * 7) % 1000)}`,
    );
    const { length } = host.kernel.nft.transactions;
    const callsBefore = host.run.process.calls.length;
    await publish(texts);
    assert.deepEqual(host.kernel.nft.transactions.slice(length), [{ kind: "change", elements: 1 }]);
    const calls = host.run.process.calls.slice(callsBefore);
    assert.equal(calls.filter((call) => call === "hostPorts.claim").length, 1);
    assert.equal(calls.filter((call) => call.startsWith("store.put")).length, 1);
  });

  test("1000 scattered ports are one transaction, and one to take them back", async () => {
    await attach();
    const { length } = host.kernel.nft.transactions;
    await publish(Array.from({ length: 1000 }, (_, offset) => `${20_000 + 2 * offset}:${1000 + offset}`));
    await revoke();
    assert.deepEqual(host.kernel.nft.transactions.slice(length), [
      { kind: "change", elements: 1000 },
      { kind: "change", elements: 1000 },
    ]);
  });

  test("a new set of ports replaces the old one", async () => {
    await attach();
    await publish(["8080:80", "8081:81"]);
    await publish(["8081:81", "8082:82"]);
    assert.deepEqual(sockets(), ["tcp 0.0.0.0:8081", "tcp 0.0.0.0:8082"]);
    await publish([]);
    assert.deepEqual([...sockets(), ...elements()], []);
  });

  test("the network's publish_address is where ports without an address go", async () => {
    await attach(1, 1, { v6: true, options: new Map([["publish_address", "192.0.2.10"]]) });
    await publish(["8080:80", "127.0.0.1:8081:81"]);
    assert.deepEqual(sockets(), ["tcp 127.0.0.1:8081", "tcp 192.0.2.10:8080"]);
  });

  test("an internal network publishes nothing and says nothing", async () => {
    await attach(1, 1, { internal: true });
    await publish(["8080:80"]);
    assert.deepEqual([...sockets(), ...elements()], []);
  });

  describe("conflicts name the holder, and nothing is published", () => {
    test("another process, by name when it is known", async () => {
      host.kernel.hostPorts.addForeign({
        protocol: "tcp",
        address: ip("0.0.0.0"),
        port: 8080,
        holder: "nginx (pid 812)",
      });
      host.kernel.hostPorts.addForeign({ protocol: "udp", address: ip("127.0.0.1"), port: 53 });
      await attach();
      const before = host.kernel.transcript();
      await assert.rejects(publish(["8079:79", "8080:80"]), {
        code: "FW3004",
        message: "cannot publish 0.0.0.0:8080/tcp: it is in use by nginx (pid 812)",
      });
      await assert.rejects(publish(["53:53/udp"]), {
        message: "cannot publish 0.0.0.0:53/udp: it is in use by another process of this host",
      });
      assert.equal(host.kernel.transcript(), before);
    });

    test("a container of ours, by name, else by endpoint", async () => {
      await attach(1, 1, { v6: true });
      await attach(2, 1, { v6: true });
      await publish(["8080:80"]);
      await assert.rejects(publish(["[::1]:8080:80"], 2), {
        code: "FW3004",
        message:
          "cannot publish [::1]:8080/tcp: it is in use by a container (endpoint e001e001e001) on network a001a001a001",
      });
      host.names.containers.set(endpointId(1), "web");
      host.names.networks.set(networkId(1), "shop");
      await assert.rejects(publish(["8080:80"], 2), {
        message: 'cannot publish 0.0.0.0:8080/tcp: it is in use by container "web" on network shop',
      });
    });

    test("a range without a free port: FW3005 with the range", async () => {
      await attach();
      await attach(2);
      await publish(["7000-7001:70"]);
      await publish(["7000-7001:70"], 2);
      await attach(3);
      await assert.rejects(publish(["7000-7001:70"], 3), {
        code: "FW3005",
        message: "cannot publish ports 7000-7001/tcp on 0.0.0.0: no port of it is free",
      });
    });

    test("an address that is not the host's: FW3006", async () => {
      await attach();
      await assert.rejects(publish(["203.0.113.9:8080:80"]), {
        code: "FW3006",
        message: "cannot publish on 203.0.113.9:8080/tcp: 203.0.113.9 is not an address of this host",
      });
    });

    test("a family that the container lacks: FW3006", async () => {
      await attach(1, 1, { v4: false, v6: true });
      await assert.rejects(publish(["127.0.0.1:8080:80"]), {
        code: "FW3006",
        message: /the container has no IPv4 address$/,
      });
    });

    test("what was published before is gone after a refused change, so that the engine's picture holds", async () => {
      await attach();
      await publish(["8080:80"]);
      await assert.rejects(publish(["8081:81", "203.0.113.9:8080:80"]), { code: "FW3006" });
      assert.deepEqual(sockets(), []);
    });
  });

  test("::1 cannot be published while bridged IPv6 visits the packet filter", async () => {
    await attach(1, 1, { v6: true });
    host.kernel.sysctls.values.set("net/bridge/bridge-nf-call-ip6tables", "1");
    await assert.rejects(publish(["[::1]:8080:80"]), { code: "FW3006", message: /bridge-nf-call-ip6tables/ });
    host.kernel.sysctls.values.set("net/bridge/bridge-nf-call-ip6tables", "0");
    await publish(["[::1]:8080:80"]);
  });

  test("a failing packet filter frees the ports again", async () => {
    await attach();
    host.run.process.failNext("nft.change", "ENOMEM");
    await assert.rejects(publish(["8080:80"]), { code: "FW9001" });
    assert.deepEqual(sockets(), []);
    await publish(["8080:80"]);
  });

  test("a failing disk keeps nobody from taking ports back", async () => {
    await attach();
    await publish(["8080:80"]);
    host.run.process.failNext("store.putEndpoint", "EIO");
    await revoke();
    assert.deepEqual([...sockets(), ...elements()], []);
    await publish(["8081:80"]);
    host.run.process.failNext("store.putEndpoint", "EIO");
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    assert.deepEqual([...sockets(), ...elements()], []);
  });

  test("a failing disk frees the ports again", async () => {
    await attach();
    host.run.process.failNext("store.putEndpoint", "EIO");
    await assert.rejects(publish(["8080:80"]));
    assert.deepEqual(sockets(), []);
  });

  test("a hang-up takes the elements back even when the packet filter has to be rebuilt on the way", async () => {
    await attach();
    const call = fakeCall();
    const { process } = host.run;
    const pending = host.driver.programExternalConnectivity(programRequest([port("8080:80")]), call);
    while (!process.calls.includes("nft.change") || elements().length === 0) {
      await undefined;
    }
    host.kernel.nft.tamper("publish_any4");
    call.controller.abort(new Error("hung up"));
    await assert.rejects(pending, /hung up/);
  });

  describe("several endpoints of one container", () => {
    test("a port that a sibling publishes already is not a conflict", async () => {
      await attach(1, 1, { v6: true }, 5);
      await attach(2, 2, {}, 5);
      await publish(["8080:80"]);
      await publish(["8080:80", "8081:81"], 2, 2);
      assert.deepEqual(sockets(), ["tcp 0.0.0.0:8080", "tcp 0.0.0.0:8081", "tcp [::]:8080"]);
    });

    test("a container of another sandbox is", async () => {
      await attach(1, 1, {}, 5);
      await attach(2, 1, {}, 6);
      await publish(["8080:80"]);
      await assert.rejects(publish(["8080:80"], 2), { code: "FW3004" });
    });

    test("one family each: the IPv6 endpoint publishes what its IPv4 sibling cannot", async () => {
      await attach(1, 1, {}, 5);
      await attach(2, 2, { v4: false, v6: true }, 5);
      await publish(["8080:80"]);
      await publish(["8080:80"], 2, 2);
      assert.deepEqual(sockets(), ["tcp 0.0.0.0:8080", "tcp [::]:8080"]);
    });
  });
});
