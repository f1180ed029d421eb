import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateEndpointReply, JoinReply } from "../../../src/driver/driver.ts";
import { parseIfName, parseMac } from "../../../src/model/ids.ts";
import { parseInterfaceAddress, parseIpAddress, parsePrefix } from "../../../src/model/ip.ts";
import { renderCreateEndpoint, renderJoin } from "../../../src/wire/render.ts";

const full: CreateEndpointReply = {
  interface: {
    address: parseInterfaceAddress("10.0.0.2/24"),
    addressIpv6: parseInterfaceAddress("fd00::2/64"),
    mac: parseMac("02:42:00:00:00:01"),
  },
};

test("an endpoint's answer holds what the request left open, and nothing else", () => {
  const Interface = { Address: "10.0.0.2/24", AddressIPv6: "fd00::2/64", MacAddress: "02:42:00:00:00:01" };
  assert.deepEqual(renderCreateEndpoint(full, { Address: "", AddressIPv6: "", MacAddress: "" }), { Interface });
  assert.deepEqual(renderCreateEndpoint(full, Interface), {});
  const { MacAddress } = Interface;
  assert.deepEqual(renderCreateEndpoint(full, { ...Interface, MacAddress: "" }), { Interface: { MacAddress } });
  assert.deepEqual(renderCreateEndpoint({}, Interface), {});
});

test("a join's answer is complete", () => {
  const reply: JoinReply = {
    interface: { srcName: parseIfName("fwc1", "x"), dstPrefix: "eth", dstName: parseIfName("lan0", "x") },
    gateway: parseIpAddress("10.0.0.1"),
    gatewayIpv6: parseIpAddress("fd00::1"),
    staticRoutes: [
      { destination: parsePrefix("169.254.1.1/32") },
      { destination: parsePrefix("10.9.0.0/16"), nextHop: parseIpAddress("10.0.0.9") },
    ],
    disableGatewayService: false,
  };
  assert.deepEqual(renderJoin(reply), {
    InterfaceName: { SrcName: "fwc1", DstPrefix: "eth", DstName: "lan0" },
    Gateway: "10.0.0.1",
    GatewayIPv6: "fd00::1",
    StaticRoutes: [
      { Destination: "169.254.1.1/32", RouteType: 1, NextHop: "" },
      { Destination: "10.9.0.0/16", RouteType: 0, NextHop: "10.0.0.9" },
    ],
  });
});

test("without an IPv4 gateway the engine's own bridge is declined whatever the driver says", () => {
  const bare: JoinReply = { staticRoutes: [], disableGatewayService: false };
  assert.deepEqual(renderJoin(bare), { DisableGatewayService: true });
  const v6 = { ...bare, gatewayIpv6: parseIpAddress("fd00::1") };
  assert.deepEqual(renderJoin(v6), { GatewayIPv6: "fd00::1", DisableGatewayService: true });
});
