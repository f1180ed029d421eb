import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../../src/model/endpoint.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { Registry } from "../../../src/store/registry.ts";
import { FakeProcess } from "../../fakes/fake-process.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { endpointId, endpointOf, hostNetworkOf, ip, networkId, networkOf } from "../../fakes/requests.ts";

const ids = (endpoints: readonly Endpoint[]): string[] => endpoints.map(({ id }) => id).sort();

describe("the registry", () => {
  test("finds what the store had at its start", () => {
    const store = new FakeStore();
    store.putNetwork(networkOf());
    store.putEndpoint(endpointOf({ state: "joined", sandboxKey: "/netns/1" }));
    const registry = new Registry(store);
    const wanted = [endpointId(1)];
    assert.deepEqual(registry.network(networkId(1)), networkOf());
    assert.deepEqual(ids(registry.endpointsOf(networkId(1))), wanted);
    assert.deepEqual(ids(registry.endpointsAt(networkId(1), [endpointOf().ipv4])), wanted);
    assert.deepEqual(ids(registry.endpointsIn("/netns/1")), wanted);
    assert.equal(registry.endpointBehind(endpointOf().hostIf)?.id, endpointId(1));
  });

  test("knows nothing of what is unknown", () => {
    const registry = new Registry(new FakeStore());
    assert.equal(registry.network(networkId(1)), undefined);
    assert.equal(registry.endpoint(endpointId(1)), undefined);
    assert.deepEqual(registry.endpointsOf(networkId(1)), []);
    assert.deepEqual(registry.endpointsAt(networkId(1), [undefined, endpointOf().ipv4]), []);
    registry.deleteEndpoint(endpointId(1));
    registry.deleteNetwork(networkId(1));
  });

  test("a gateway stays its network's when an older record that had it, too, goes", () => {
    for (const numbers of [
      [1, 2],
      [2, 1],
    ]) {
      const store = new FakeStore();
      for (const number of numbers) {
        store.putNetwork({ ...hostNetworkOf({}, 7), id: networkId(number) });
      }
      const registry = new Registry(store);
      registry.deleteNetwork(networkId(1));
      assert.equal(registry.networkAt(ip("169.254.80.7"))?.id, networkId(2));
      assert.equal(registry.networkAt(ip("fe80::fa17:0:7"))?.id, networkId(2));
      registry.deleteNetwork(networkId(2));
      assert.equal(registry.networkAt(ip("169.254.80.7")), undefined);
    }
  });

  test("keeps addresses of different networks apart, and finds an endpoint once by both of its own", () => {
    const registry = new Registry(new FakeStore());
    registry.putNetwork(networkOf());
    registry.putNetwork(networkOf({}, 2));
    const address = parseInterfaceAddress("10.88.1.2/24");
    const ipv6 = parseInterfaceAddress("fd00:88:1::2/64");
    registry.putEndpoint(endpointOf({ ipv4: address, ipv6 }));
    registry.putEndpoint(endpointOf({ ipv4: address }, 2, 2));
    assert.deepEqual(ids(registry.endpointsAt(networkId(1), [address, ipv6])), [endpointId(1)]);
    assert.deepEqual(ids(registry.endpointsAt(networkId(2), [address, ipv6])), [endpointId(2)]);
  });

  test("does not know what could not be written, and forgets what could not be deleted", () => {
    const store = new FakeStore();
    const process = new FakeProcess();
    const registry = new Registry(store.open(process));
    process.failNext("store.putNetwork", "EIO");
    assert.throws(() => registry.putNetwork(networkOf()));
    assert.deepEqual(registry.networks(), []);
    registry.putNetwork(networkOf());
    registry.putEndpoint(endpointOf());
    process.failNext("store.deleteEndpoint", "EIO");
    assert.throws(() => registry.deleteEndpoint(endpointId(1)));
    process.failNext("store.deleteNetwork", "EIO");
    assert.throws(() => registry.deleteNetwork(networkId(1)));
    assert.deepEqual([...registry.networks(), ...registry.endpoints()], []);
    assert.deepEqual(store.load(), { networks: [networkOf()], endpoints: [endpointOf()], settings: [] });
  });

  test("has the same answers as a search through everything, whatever happened before", () => {
    const step = fc.record({
      do: fc.constantFrom("put", "put", "put", "delete", "deleteNetwork"),
      endpoint: fc.integer({ min: 1, max: 5 }),
      network: fc.integer({ min: 1, max: 2 }),
      address: fc.integer({ min: 1, max: 3 }),
      sandbox: fc.option(fc.constantFrom("/netns/1", "/netns/2"), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const store = new FakeStore();
        const registry = new Registry(store);
        for (const one of steps) {
          play(registry, one);
          checkIndexes(registry);
        }
        assert.deepEqual(ids(new Registry(store).endpoints()), ids(registry.endpoints()));
      }),
    );
  });
});

interface Step {
  readonly do: string;
  readonly endpoint: number;
  readonly network: number;
  readonly address: number;
  readonly sandbox: string | undefined;
}

function play(registry: Registry, step: Step): void {
  const id = endpointId(step.endpoint);
  if (step.do === "delete") {
    registry.deleteEndpoint(id);
  } else if (step.do === "deleteNetwork") {
    registry.deleteNetwork(networkId(step.network));
  } else {
    // An endpoint never changes its network.
    const network = registry.endpoint(id)?.networkId === networkId(1) ? 1 : 2;
    const own = registry.endpoint(id) === undefined ? step.network : network;
    registry.putNetwork(networkOf({}, own));
    const ipv4 = parseInterfaceAddress(`10.88.0.${step.address}/24`);
    const { sandbox } = step;
    registry.putEndpoint(endpointOf({ ipv4, ...(sandbox && { sandboxKey: sandbox }) }, step.endpoint, own));
  }
}

function checkIndexes(registry: Registry): void {
  const all = registry.endpoints();
  for (const number of [1, 2]) {
    const id = networkId(number);
    assert.deepEqual(ids(registry.endpointsOf(id)), ids(all.filter(({ networkId: own }) => own === id)));
    for (const address of [1, 2, 3].map((last) => parseInterfaceAddress(`10.88.0.${last}/24`))) {
      const wanted = all.filter(({ networkId: own, ipv4 }) => own === id && ipv4 === address);
      assert.deepEqual(ids(registry.endpointsAt(id, [address])), ids(wanted));
    }
  }
  for (const sandbox of ["/netns/1", "/netns/2"]) {
    assert.deepEqual(ids(registry.endpointsIn(sandbox)), ids(all.filter(({ sandboxKey }) => sandboxKey === sandbox)));
  }
  for (const number of [1, 2, 3, 4, 5]) {
    const { hostIf, id } = endpointOf({}, number);
    assert.equal(registry.endpointBehind(hostIf)?.id, registry.endpoint(id)?.id);
  }
}
