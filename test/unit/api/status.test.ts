import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { networkStatus } from "../../../src/api/status.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { FakeNames } from "../../fakes/fake-names.ts";
import { endpointId, endpointOf, ipv6Pool, networkId, networkOf } from "../../fakes/requests.ts";

describe("the status of a network", () => {
  const endpoints = [
    endpointOf({ state: "joined", ipv6: parseInterfaceAddress("fd00:88:1::2/64"), sandboxKey: "/netns/1" }),
  ];

  test("has names when they are known", () => {
    const names = new FakeNames();
    names.networks.set(networkId(1), "shop");
    names.containers.set(endpointId(1), "web");
    assert.deepEqual(networkStatus(networkOf({ ipv6: [ipv6Pool] }), endpoints, names), {
      id: networkId(1),
      name: "shop",
      mode: "bridge",
      bridge: "fwba001a001a001",
      internal: false,
      icc: true,
      masquerade: true,
      mtuBytes: 1500,
      subnets: ["10.88.1.0/24", "fd00:88:1::/64"],
      endpoints: [
        {
          id: endpointId(1),
          container: "web",
          state: "joined",
          ipv4: "10.88.1.2",
          ipv6: "fd00:88:1::2",
          mac: "02:00:00:00:01:01",
          hostInterface: "fwve001e001e001",
          ports: [],
        },
      ],
    });
  });

  test("leaves out what is unknown or absent, and the engine's own paths", () => {
    const status = networkStatus(networkOf(), [endpointOf({ sandboxKey: "/netns/1" })], new FakeNames());
    assert.equal("name" in status, false);
    const [endpoint] = status.endpoints;
    assert.deepEqual(Object.keys(endpoint ?? {}), ["id", "state", "ipv4", "mac", "hostInterface", "ports"]);
  });
});
