/** Ports of flat addresses: reachable with the join, never the host's. */
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
  routedEndpointRequest,
  routedNetworkRequest,
} from "../../fakes/requests.ts";

const portSets = /reachable|renumbered|open/;

describe("ports of flat addresses", () => {
  let host: FakeHost;
  const publish = (texts: readonly string[], number = 1, network = 1): Promise<void> =>
    host.driver.programExternalConnectivity(programRequest(texts.map(port), number, network), fakeCall());
  const sockets = (): string[] =>
    host.kernel.hostPorts.transcript().map((line) => line.split(" ").slice(1, 3).join(" "));
  const elements = (): string[] =>
    host.kernel.nft
      .transcript()
      .filter((line) => portSets.test(line))
      .map((line) => line.replace("element ", ""));
  const claims = () => host.workshop.registry.endpoint(endpointId(1))?.claims;

  async function attach(
    texts: readonly string[],
    options: Readonly<Record<string, string>> = {},
    more: Parameters<typeof routedNetworkRequest>[2] = {},
  ): Promise<void> {
    await host.driver.createNetwork(routedNetworkRequest(1, options, more), fakeCall());
    await host.driver.createEndpoint(routedEndpointRequest(1, 1, { v6: more.v6 ?? false }), fakeCall());
    await host.driver.join(joinRequest(1, 1, 1, { ports: texts.map(port) }), fakeCall());
  }

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
  });
  afterEach(() => host.checkNothingLeaks());

  test("are opened by the join, take no port of the host, and close with the leave", async () => {
    await attach(["80:80", "8081:81", "7000:7000", "7001:7001"], {}, { v6: true });
    assert.deepEqual(elements(), [
      "reachable4 { 10.20.1.2 . tcp . 80 }",
      "reachable6 { fd00:20:1::2 . tcp . 80 }",
      "reachable_range4 { 10.20.1.2 . tcp . 7000-7001 }",
      "reachable_range6 { fd00:20:1::2 . tcp . 7000-7001 }",
      "renumbered4 { 10.20.1.2 . tcp . 8081 : 10.20.1.2 . 81 }",
      "renumbered6 { fd00:20:1::2 . tcp . 8081 : fd00:20:1::2 . 81 }",
    ]);
    assert.deepEqual(sockets(), []);
    assert.ok(claims()?.every(({ isOwn }) => isOwn === true));
    const before = host.kernel.transcript();
    await publish(["80:80", "8081:81"]);
    assert.equal(host.kernel.transcript(), before, "the way out changes nothing");
    assert.deepEqual(host.workshop.registry.endpoint(endpointId(1))?.publications, []);
    await host.driver.revokeExternalConnectivity(networkId(1), endpointId(1), fakeCall());
    assert.equal(host.kernel.transcript(), before);
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    assert.deepEqual(elements(), []);
    assert.equal(claims(), undefined);
  });

  test("flows of an open port from before are forgotten, and those of the container when it leaves", async () => {
    await attach(["80:80"]);
    const flow = { kind: "hostPort", protocol: "tcp", address: "10.20.1.2", first: 80, last: 80 };
    assert.deepEqual(host.kernel.conntrack.forgotten, [flow]);
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    assert.deepEqual(host.kernel.conntrack.forgotten.at(-1), { kind: "address", address: "10.20.1.2" });
  });

  test("that name an address of the host open nothing, and are refused where they were to be published", async () => {
    await attach(["127.0.0.1:8080:80", "80:81"]);
    assert.deepEqual(elements(), ["renumbered4 { 10.20.1.2 . tcp . 80 : 10.20.1.2 . 81 }"]);
    const cases = [
      ["127.0.0.1:8080:80", "127.0.0.1", "8080:80"],
      ["127.0.0.1:80:80", "127.0.0.1", "80"],
      ["127.0.0.1:0:80", "127.0.0.1", "80"],
      ["[2001:db8::10]:80:80/udp", "2001:db8::10", "80"],
    ] as const;
    for (const [text, address, advice] of cases) {
      await assert.rejects(publish([text]), {
        code: "FW3006",
        message: `cannot publish 80/${text.endsWith("udp") ? "udp" : "tcp"} on ${address}: in mode routed the container has an address of its own`,
        fix: `write -p ${advice} to make it reachable at the container's address, or leave it out`,
      });
    }
    await publish(["0.0.0.0:80:81", "[::]:80:81"]);
  });

  test("of an internal network are nobody's, whatever they name", async () => {
    await attach(["80:80", "127.0.0.1:80:80"], {}, { internal: true });
    assert.deepEqual(elements(), []);
    await publish(["80:80", "127.0.0.1:80:80"]);
  });

  test("with reachable=all every port is open, and -p renumbers all the same", async () => {
    await attach(["80:80", "8081:81"], { reachable: "all" });
    assert.deepEqual(elements(), [
      "open4 { 10.20.1.2 }",
      "reachable4 { 10.20.1.2 . tcp . 80 }",
      "renumbered4 { 10.20.1.2 . tcp . 8081 : 10.20.1.2 . 81 }",
    ]);
  });

  test("one number for two services is FW3004, and the container is not attached", async () => {
    await assert.rejects(attach(["80:80", "80:81"]), {
      code: "FW3004",
      message: "port 80/tcp of the container's address is asked for twice",
    });
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.state, "created");
    const again = { ports: ["7000:7000", "7001:7001", "7001:90"].map(port) };
    await assert.rejects(host.driver.join(joinRequest(1, 1, 1, again), fakeCall()), { code: "FW3004" });
    assert.deepEqual([elements(), host.kernel.routes.owned().filter(({ device }) => device !== undefined)], [[], []]);
    // Another protocol, or the same wish once more, is no second service.
    const fine = { ports: ["80:80", "80:81/udp", "80:80", "0.0.0.0:80:80"].map(port) };
    await host.driver.join(joinRequest(1, 1, 1, fine), fakeCall());
    assert.equal(claims()?.length, 2);
  });

  test("two containers have the same port, each at its own address", async () => {
    await attach(["80:80"]);
    await host.driver.createEndpoint(routedEndpointRequest(2), fakeCall());
    await host.driver.join(joinRequest(2, 1, 2, { ports: [port("80:80")] }), fakeCall());
    assert.deepEqual(elements(), ["reachable4 { 10.20.1.2 . tcp . 80 }", "reachable4 { 10.20.1.3 . tcp . 80 }"]);
  });

  test("do not keep a bridge of the same container from publishing them on the host", async () => {
    await attach(["80:80", "8080:81"]);
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await host.driver.createEndpoint(endpointRequest(2, 2), fakeCall());
    await host.driver.join(joinRequest(2, 2, 1), fakeCall());
    await publish(["80:80", "8080:81"], 2, 2);
    assert.deepEqual(sockets(), ["tcp 0.0.0.0:80", "tcp 0.0.0.0:8080"]);
  });

  test("are not what stands in the way of a port of the host", async () => {
    await attach(["80:80"]);
    host.kernel.hostPorts.addForeign({ protocol: "tcp", address: ip("0.0.0.0"), port: 80, holder: "nginx (pid 812)" });
    await host.driver.createNetwork(networkRequest(2), fakeCall());
    await host.driver.createEndpoint(endpointRequest(2, 2), fakeCall());
    await host.driver.join(joinRequest(2, 2), fakeCall());
    await assert.rejects(publish(["80:80"], 2, 2), { code: "FW3004", message: /in use by nginx \(pid 812\)$/ });
    // After a restart the container looks as if it had ended, and is no ghost to be removed for it.
    await host.restart();
    await assert.rejects(publish(["80:80"], 2, 2), { code: "FW3004" });
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.state, "joined");
  });
});
