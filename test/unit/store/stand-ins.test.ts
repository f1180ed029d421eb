import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Registry } from "../../../src/store/registry.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { endpointId, endpointOf, hostNetworkOf, ip, networkId } from "../../fakes/requests.ts";

describe("numbers of stand-in addresses", () => {
  let store: FakeStore;
  let registry: Registry;
  const reserve = (number: number, seed: number, count = 4): number =>
    registry.reserveStandIn(endpointId(number), seed, count);

  beforeEach(() => {
    store = new FakeStore();
    registry = new Registry(store);
    registry.putNetwork(hostNetworkOf());
  });

  test("two that begin at the same place get different ones, round the end and never 0", () => {
    assert.deepEqual([reserve(1, 3), reserve(2, 3), reserve(3, 3)], [3, 1, 2]);
  });

  test("one that came to nothing is free again", () => {
    reserve(1, 3);
    registry.releaseStandIn(endpointId(1), 3);
    assert.equal(reserve(2, 3), 3);
  });

  test("one that is recorded stays until the endpoint goes, also across a restart", () => {
    registry.putEndpoint(endpointOf({ standIn: reserve(1, 3) }));
    registry.releaseStandIn(endpointId(1), 3);
    assert.equal(reserve(2, 3), 1);
    registry = new Registry(store);
    assert.equal(reserve(2, 3), 1);
    registry.deleteEndpoint(endpointId(1));
    assert.equal(reserve(3, 3), 3);
  });

  test("nobody gives back another's", () => {
    reserve(1, 3);
    registry.releaseStandIn(endpointId(2), 3);
    assert.equal(reserve(2, 3), 1);
  });

  test("they go with their network, and so do its gateways", () => {
    registry.putEndpoint(endpointOf({ standIn: reserve(1, 3) }));
    assert.equal(registry.networkAt(ip("169.254.80.1"))?.id, networkId(1));
    assert.equal(registry.networkAt(ip("fe80::fa17:0:1"))?.id, networkId(1));
    registry.deleteNetwork(networkId(1));
    assert.equal(reserve(2, 3), 3);
    assert.equal(registry.networkAt(ip("169.254.80.1")), undefined);
    assert.equal(registry.networkAt(ip("fe80::fa17:0:1")), undefined);
  });
});
