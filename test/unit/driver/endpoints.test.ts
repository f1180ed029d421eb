import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { CreateEndpointReply, CreateEndpointRequest } from "../../../src/driver/driver.ts";
import { parseMac } from "../../../src/model/ids.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { FakeHost, fakeCall } from "../../fakes/fake-host.ts";
import { endpointId, endpointRequest, joinRequest, networkId, networkRequest, port } from "../../fakes/requests.ts";

describe("endpoints", () => {
  let host: FakeHost;
  const create = (request: CreateEndpointRequest): Promise<CreateEndpointReply> =>
    host.driver.createEndpoint(request, fakeCall());
  const remove = (number: number): Promise<void> =>
    host.driver.deleteEndpoint(networkId(1), endpointId(number), fakeCall());

  beforeEach(async () => {
    host = new FakeHost();
    await host.start();
    await host.driver.createNetwork(networkRequest(1), fakeCall());
  });
  afterEach(() => host.checkNothingLeaks());

  test("a create only records, and answers with a MAC address that depends on network and address alone", async () => {
    const before = host.kernel.transcript();
    const reply = await create(endpointRequest(1));
    assert.equal(host.kernel.transcript(), before);
    assert.match(reply.interface?.mac ?? "", /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    await remove(1);
    const { ipv4 } = endpointRequest(1);
    const again = await create(endpointRequest(2, 1, ipv4 === undefined ? {} : { ipv4 }));
    assert.deepEqual(again, reply);
  });

  test("a MAC address that was sent is not answered, because the engine refuses that", async () => {
    const mac = parseMac("02:42:ac:11:00:02");
    assert.deepEqual(await create(endpointRequest(1, 1, { mac })), {});
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.mac, mac);
  });

  test("the same request twice gives the same answer; a changed one is FW5005 and names what changed", async () => {
    const once = await create(endpointRequest(1));
    assert.deepEqual(await create(endpointRequest(1)), once);
    const moved = endpointRequest(1, 1, { ipv4: parseInterfaceAddress("10.88.1.77/24") });
    await assert.rejects(create(moved), { code: "FW5005", message: /another ipv4$/ });
    const renamed = endpointRequest(1, 1, { options: new Map([["ifname", "wan0"]]) });
    await assert.rejects(create(renamed), { code: "FW5005", message: /another ifName$/ });
  });

  test("the same request after the join gives the same answer and changes nothing", async () => {
    const once = await create(endpointRequest(1));
    await host.driver.join(joinRequest(1), fakeCall());
    assert.deepEqual(await create(endpointRequest(1)), once);
    assert.equal(host.workshop.registry.endpoint(endpointId(1))?.state, "joined");
  });

  test("unknown network: FW5003; no address: FW3003; unknown option: FW1001; nothing is recorded", async () => {
    await assert.rejects(create(endpointRequest(1, 9)), { code: "FW5003" });
    await assert.rejects(create(endpointRequest(1, 1, { v4: false })), { code: "FW3003" });
    await assert.rejects(create(endpointRequest(1, 1, { options: new Map([["colour", "red"]]) })), { code: "FW1001" });
    assert.deepEqual(host.workshop.registry.endpoints(), []);
  });

  test("ports are not judged here: another endpoint of the container may be the one that publishes them", async () => {
    const ports = [port("[::1]:8080:80")];
    await create(endpointRequest(1, 1, { ports }));
    assert.equal(host.workshop.registry.endpoints().length, 1);
  });

  test("an address that another endpoint holds: the engine has forgotten that one, and it goes", async () => {
    await create(endpointRequest(1));
    await host.driver.join(joinRequest(1), fakeCall());
    const { ipv4 } = endpointRequest(1);
    await create(endpointRequest(2, 1, ipv4 === undefined ? {} : { ipv4 }));
    assert.deepEqual(
      host.workshop.registry.endpoints().map(({ id }) => id),
      [endpointId(2)],
    );
    assert.match(host.log.lines.join("\n"), /removed an endpoint that the engine has forgotten/);
  });

  test("of two that want an address at the same time, one remains", async () => {
    const { ipv4 } = endpointRequest(1);
    const second = endpointRequest(2, 1, ipv4 === undefined ? {} : { ipv4 });
    await Promise.all([create(endpointRequest(1)), create(second)]);
    assert.equal(host.workshop.registry.endpoints().length, 1);
  });

  test("an IPv6 address alone is enough to find the forgotten one", async () => {
    await host.driver.createNetwork(networkRequest(2, { v6: true }), fakeCall());
    const { ipv6 } = endpointRequest(1, 2, { v6: true });
    await create(endpointRequest(1, 2, { v6: true }));
    await create(endpointRequest(2, 2, ipv6 === undefined ? {} : { ipv6 }));
    assert.deepEqual(
      host.workshop.registry.endpoints().map(({ id }) => id),
      [endpointId(2)],
    );
  });

  test("a create whose success cannot be told is taken back; a repeated one keeps what was told", async () => {
    const call = fakeCall();
    await host.driver.createEndpoint(endpointRequest(1), call);
    await call.lose();
    assert.deepEqual(host.workshop.registry.endpoints(), []);
    await create(endpointRequest(1));
    const repeated = fakeCall();
    await host.driver.createEndpoint(endpointRequest(1), repeated);
    await repeated.lose();
    assert.equal(host.workshop.registry.endpoints().length, 1);
  });

  test("deletes: unknown, twice, and before the leave", async () => {
    await remove(1);
    await create(endpointRequest(1));
    await host.driver.join(joinRequest(1), fakeCall());
    await remove(1);
    await remove(1);
    await host.driver.leave(networkId(1), endpointId(1), fakeCall());
    assert.deepEqual(host.workshop.registry.endpoints(), []);
  });

  test("a delete forgets the flows of both addresses", async () => {
    await host.driver.createNetwork(networkRequest(2, { v6: true }), fakeCall());
    await create(endpointRequest(1, 2, { v6: true }));
    await host.driver.deleteEndpoint(networkId(2), endpointId(1), fakeCall());
    assert.deepEqual(host.kernel.conntrack.forgotten, [
      { kind: "address", address: "10.88.2.2" },
      { kind: "address", address: "fd00:88:2::2" },
    ]);
  });
});
