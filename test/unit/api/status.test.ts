import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { networkStatus, settingsInForce } from "../../../src/api/status.ts";
import { parseInterfaceAddress } from "../../../src/model/ip.ts";
import { settingChange } from "../../../src/model/setting.ts";
import { planReachable } from "../../../src/plan/routed.ts";
import { FakeNames } from "../../fakes/fake-names.ts";
import {
  endpointId,
  endpointOf,
  ipv6Pool,
  networkId,
  networkOf,
  port,
  routedEndpointOf,
  routedNetworkOf,
} from "../../fakes/requests.ts";

test("the status shows settings of the host that are still as fairway set them", () => {
  const forwarding = settingChange(["net", "ipv4", "ip_forward"], "0", "1");
  const advertisements = settingChange(["net", "ipv6", "conf", "eth0.5", "accept_ra"], "1", "2");
  const gone = settingChange(["net", "ipv6", "conf", "eth9", "accept_ra"], "1", "2");
  const values = new Map([
    [forwarding.path, "0"],
    [advertisements.path, "2"],
  ]);
  assert.deepEqual(
    settingsInForce([forwarding, advertisements, gone], (path) => values.get(path)),
    [{ name: "net.ipv6.conf.eth0/5.accept_ra", was: "1", now: "2" }],
  );
});

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

  test("of mode routed says by which hops, who reaches what and what is announced", () => {
    const network = routedNetworkOf({ reachable: "all", announce: "healthy", egressNat: true, icc: false });
    const claims = planReachable(network, routedEndpointOf(), [port("80:80")]);
    const endpoint = routedEndpointOf({ state: "joined", claims });
    const { endpoints: shown, ...status } = networkStatus(network, [endpoint], new FakeNames());
    assert.deepEqual(status, {
      id: networkId(1),
      mode: "routed",
      internal: false,
      mtuBytes: 1500,
      gateways: ["169.254.80.1", "fe80::fa17:0:1"],
      icc: false,
      reachable: "all",
      announce: "healthy",
      egressNat: true,
      subnets: ["10.20.1.0/24", "fd00:20:1::/64"],
    });
    assert.deepEqual(shown[0]?.ports, claims);
  });

  test("leaves out what is unknown or absent, and the engine's own paths", () => {
    const status = networkStatus(networkOf(), [endpointOf({ sandboxKey: "/netns/1" })], new FakeNames());
    assert.equal("name" in status, false);
    const [endpoint] = status.endpoints;
    assert.deepEqual(Object.keys(endpoint ?? {}), ["id", "state", "ipv4", "mac", "hostInterface", "ports"]);
  });
});
