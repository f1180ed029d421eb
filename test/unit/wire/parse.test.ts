import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCreateEndpoint, parseEndpointRef, parseJoin } from "../../../src/wire/parse-endpoint.ts";
import { parseCreateNetwork } from "../../../src/wire/parse-network.ts";
import { parsePorts } from "../../../src/wire/parse-ports.ts";
import { CreateEndpoint, CreateNetwork, EndpointOnly, Join, understand } from "../../../src/wire/schemas.ts";

const NetworkID = "slqgr9e1kd7zsqfnbehlr7obk";
const EndpointID = "b0a224eaf4cd1a8f2d2595455dddb6fbeaff48889d592f8694f2ea69a7850f5d";
const portMap = "com.docker.network.portmap";

const network = (content: object) => parseCreateNetwork(understand(CreateNetwork, { NetworkID, ...content }));
const endpoint = (content: object) =>
  parseCreateEndpoint(understand(CreateEndpoint, { NetworkID, EndpointID, ...content }));
const ports = (...bindings: object[]) => parsePorts({ [portMap]: bindings });

test("a request without anything but ids is complete", () => {
  assert.deepEqual(network({}), {
    networkId: NetworkID,
    options: new Map(),
    internal: false,
    ipv4Enabled: false,
    ipv6Enabled: false,
    ipv4: [],
    ipv6: [],
  });
  const nothing = { networkId: NetworkID, endpointId: EndpointID, macFromUser: false, options: new Map(), ports: [] };
  assert.deepEqual(endpoint({}), nothing);
  assert.deepEqual(endpoint({ Interface: null, Options: null }), nothing);
  assert.deepEqual(endpoint({ Interface: { Address: "", AddressIPv6: "", MacAddress: "" } }), nothing);
});

test("whether IPv4 is wanted follows from the pool if the engine does not say", () => {
  const pool = (Pool: string) => ({ IPv4Data: [{ Pool }] });
  const says = (value: unknown) => ({ Options: { "com.docker.network.enable_ipv4": value } });
  assert.equal(network(pool("10.0.0.0/24")).ipv4Enabled, true);
  assert.equal(network(pool("0.0.0.0/0")).ipv4Enabled, false);
  assert.equal(network({ ...pool("10.0.0.0/24"), ...says(false) }).ipv4Enabled, false);
  assert.equal(network({ ...pool("0.0.0.0/0"), ...says(true) }).ipv4Enabled, true);
});

test("pools keep the gateway's host bits and lose the subnet's", () => {
  const IPv4Data = [
    {
      AddressSpace: "LocalDefault",
      Pool: "10.1.2.3/16",
      Gateway: "10.1.0.254/16",
      AuxAddresses: { dns: "10.1.0.53/16" },
    },
    { Pool: "10.2.0.0/24", AuxAddresses: { "": "10.2.0.9" } },
  ];
  const IPv6Data = [{ Pool: "FD00:0::/64", Gateway: "fd00::0:1/64" }, { Pool: "::/0" }, {}];
  const { ipv4, ipv6 } = network({ IPv4Data, IPv6Data });
  assert.deepEqual(ipv4, [
    {
      addressSpace: "LocalDefault",
      subnet: "10.1.0.0/16",
      gateway: "10.1.0.254/16",
      aux: new Map([["dns", "10.1.0.53"]]),
    },
    { subnet: "10.2.0.0/24", aux: new Map([["", "10.2.0.9"]]) },
  ]);
  const aux = new Map();
  assert.deepEqual(ipv6, [{ subnet: "fd00::/64", gateway: "fd00::1/64", aux }, { subnet: "::/0", aux }, { aux }]);
});

test("an address of the other family or of none is refused", () => {
  const wrong = [
    { IPv4Data: [{ Pool: "fd00::/64" }] },
    { IPv6Data: [{ Pool: "10.0.0.0/24" }] },
    { IPv4Data: [{ Pool: "10.0.0.0/24", Gateway: "10.0.0.1" }] },
    { IPv4Data: [{ Pool: "10.0.0.0/33" }] },
    { IPv4Data: [{ Pool: "10.0.0.0/24; reboot" }] },
    { IPv4Data: [{ AuxAddresses: { a: "fd00::1" } }] },
  ];
  for (const content of wrong) {
    assert.throws(() => network(content), { code: "FW3003" }, JSON.stringify(content));
  }
  assert.throws(() => endpoint({ Interface: { Address: "fd00::1/64" } }), { code: "FW3003" });
  assert.throws(() => endpoint({ Interface: { AddressIPv6: "10.0.0.1/24" } }), { code: "FW3003" });
  assert.throws(() => endpoint({ Interface: { MacAddress: "01:00:5e:00:00:01" } }), { code: "FW1002" });
});

test("network options are text, as they were typed", () => {
  const generic = (value: unknown) => network({ Options: { "com.docker.network.generic": value } }).options;
  assert.deepEqual(generic({ Mode: "$(id)\n" }), new Map([["Mode", "$(id)\n"]]));
  assert.deepEqual(generic(null), new Map());
  assert.throws(() => generic({ mode: true }), {
    code: "FW1002",
    message: 'option "mode" has a value that is not text',
  });
  assert.throws(() => generic(["mode"]), { code: "FW5001" });
});

test("endpoint options are what the engine does not keep for itself", () => {
  const { options, macFromUser, mac } = endpoint({
    Interface: { MacAddress: "02-AA-BB-CC-DD-EE" },
    Options: {
      "com.docker.network.endpoint.exposedports": [{ Proto: 6, Port: 80 }],
      "com.docker.network.endpoint.macaddress": "Aqq7zN3u",
      "com.docker.network.endpoint.dnsservers": ["10.1.1.1"],
      "com.docker.network.driver.private.no_proxy_6to4": false,
      "com.docker.network.endpoint.ifname": "lan0",
      "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
      foo: "bar",
    },
  });
  assert.deepEqual(Object.fromEntries(options), {
    "com.docker.network.endpoint.ifname": "lan0",
    "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
    foo: "bar",
  });
  assert.equal(mac, "02:aa:bb:cc:dd:ee");
  assert.ok(macFromUser);
});

test("ports are single, ranges or left open", () => {
  const [single, range, open, v6, oldEngine] = ports(
    { Proto: 6, IP: "", Port: 80, HostIP: "", HostPort: 8080, HostPortEnd: 8080 },
    { Proto: 17, Port: 70, HostIP: "127.0.0.1", HostPort: 7000, HostPortEnd: 7002 },
    { Proto: 132, Port: 99, HostPort: 0, HostPortEnd: 0 },
    { Proto: 6, Port: 90, HostIP: "0:0::1", HostPort: 9090, HostPortEnd: 9090 },
    { proto: 6, port: 1, hostport: 2 },
  );
  assert.deepEqual(single, { protocol: "tcp", containerPort: 80, hostPortFirst: 8080, hostPortLast: 8080 });
  assert.deepEqual(range, {
    protocol: "udp",
    containerPort: 70,
    hostPortFirst: 7000,
    hostPortLast: 7002,
    hostAddress: "127.0.0.1",
  });
  assert.deepEqual(open, { protocol: "sctp", containerPort: 99, hostPortFirst: 0, hostPortLast: 0 });
  assert.equal(v6?.hostAddress, "::1");
  assert.equal(oldEngine?.hostPortLast, 2);
  assert.deepEqual(parsePorts({ [portMap]: null }), []);
  assert.deepEqual(parsePorts({}), []);
});

test("ports that cannot be are refused", () => {
  const wrong = [
    { Proto: 1, Port: 80 },
    { Port: 80 },
    { Proto: 6, Port: 0 },
    { Proto: 6, Port: 65_536 },
    { Proto: 6, Port: -1 },
    { Proto: 6, Port: 1.5 },
    { Proto: 6, Port: "80" },
    { Proto: 6, Port: 80, HostPort: 10, HostPortEnd: 9 },
    { Proto: 6, Port: 80, HostPort: 0, HostPortEnd: 9 },
  ];
  for (const binding of wrong) {
    assert.throws(() => ports(binding), { code: "FW5001" }, JSON.stringify(binding));
  }
  assert.throws(() => parsePorts({ [portMap]: { Proto: 6 } }), { code: "FW5001" });
  assert.throws(() => ports({ Proto: 6, Port: 80, HostIP: "fe80::1%eth0" }), { code: "FW3003" });
});

test("ids are engine ids", () => {
  const bad = ["", "../../etc/cron.d/x", "/abs", "x".repeat(10_000), "A".repeat(64), "__proto__", `${EndpointID}\n`];
  for (const id of bad) {
    assert.throws(() => parseEndpointRef({ NetworkID: id, EndpointID }), { code: "FW5001" });
    assert.throws(() => parseEndpointRef({ NetworkID, EndpointID: id }), { code: "FW5001" });
  }
  assert.throws(() => parseEndpointRef(understand(EndpointOnly, {})), { code: "FW5001" });
});

test("a sandbox key is passed on unread, if it can be a path", () => {
  const join = (SandboxKey: string) => parseJoin(understand(Join, { NetworkID, EndpointID, SandboxKey }));
  assert.equal(join("/proc/1/ns/net").sandboxKey, "/proc/1/ns/net");
  assert.throws(() => join("x".repeat(4096)), { code: "FW5001" });
});
