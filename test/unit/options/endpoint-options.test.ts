import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, FairwayError } from "../../../src/errors.ts";
import { type EndpointOptions, parseEndpointOptions } from "../../../src/options/endpoint-options.ts";

function parse(options: Readonly<Record<string, string>>): EndpointOptions {
  return parseEndpointOptions(new Map(Object.entries(options)));
}

function refusedWith(code: ErrorCode, what: RegExp) {
  return (error: unknown) => error instanceof FairwayError && error.code === code && what.test(error.message);
}

test("without options there is nothing to say", () => {
  assert.deepEqual(parse({}), {});
});

test("ifname and its standard name", () => {
  assert.deepEqual(parse({ ifname: "wan0" }), { ifName: "wan0" });
  assert.deepEqual(parse({ "com.docker.network.endpoint.ifname": "wan0", ifname: "wan0" }), { ifName: "wan0" });
  assert.throws(
    () => parse({ "com.docker.network.endpoint.ifname": "wan1", ifname: "wan0" }),
    refusedWith("FW1003", /^options com\.docker\.network\.endpoint\.ifname="wan1" and ifname="wan0" contradict/),
  );
});

for (const value of ["", "lo", "all", "x".repeat(16), "a/b", "eth%d", "wan0\n"]) {
  test(`ifname=${JSON.stringify(value)} is refused`, () => {
    assert.throws(() => parse({ ifname: value }), refusedWith("FW1002", /^option ifname: "/));
  });
}

test("what the engine puts there for itself is left to it", () => {
  const names = ["endpoint.sysctls", "endpoint.dnsservers", "endpoint.macaddress", "endpoint.exposedports"];
  for (const name of [...names, "endpoint.name", "portmap", "driver.private.no_proxy_6to4"]) {
    assert.deepEqual(parse({ [`com.docker.network.${name}`]: "anything" }), {});
  }
});

test("anything else is unknown", () => {
  assert.throws(() => parse({ ifnam: "x" }), refusedWith("FW1001", /did you mean ifname\?$/));
  assert.throws(() => parse({ ifName: "x" }), refusedWith("FW1001", /did you mean ifname\?$/));
  assert.throws(() => parse({ ipv4_address: "x" }), refusedWith("FW1001", /is not known$/));
  assert.throws(() => parse({ mtu: "1500" }), refusedWith("FW1001", /belongs to the network/));
  assert.throws(
    () => parse({ "com.docker.network.endpoint.ifnam": "x" }),
    refusedWith("FW1001", /did you mean com\.docker\.network\.endpoint\.ifname\?$/),
  );
});
