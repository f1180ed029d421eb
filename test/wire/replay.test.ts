import assert from "node:assert/strict";
import { test } from "node:test";
import { checkAnswer, replay } from "./replay.ts";
import { openRoom } from "./room.ts";

for (const engine of ["20.10.24", "26.1.5", "28.5.2"]) {
  test(`everything that engine ${engine} said is understood and answered`, async (t) => {
    const { driver, ipam, socketPath, log } = await openRoom(t);
    const exchanges = await replay(socketPath, new URL(`fixtures/engine-${engine}.jsonl`, import.meta.url));
    assert.deepEqual(driver.violations, []);
    assert.equal(driver.networks.size, 0, "networks left");
    assert.equal(driver.endpoints.size, 0, "endpoints left");
    assert.ok(driver.count("createEndpoint") >= 13);
    assert.deepEqual(ipam.violations, []);
    assert.equal(ipam.pools.size, 0, "pools left");
    assert.equal(ipam.replays, 1);
    assert.equal(log.filter((line) => line["msg"] === "driver call").length, exchanges.length);
    assert.deepEqual(
      log.filter((line) => line["outcome"] !== "ok" && line["msg"] === "driver call"),
      [],
    );
  });
}

test("what the recorded engines meant reaches the driver", async (t) => {
  const { driver, socketPath } = await openRoom(t);
  await replay(socketPath, new URL("fixtures/engine-28.5.2.jsonl", import.meta.url));
  const request = (method: string, nth: number) =>
    driver.calls.filter((call) => call.method === method).map((call) => call.request)[nth] as Record<string, unknown>;
  const options = new Map([
    ["com.docker.network.driver.mtu", "1400"],
    ["mode", "routed"],
  ]);
  const [aux] = [new Map([["dns", "10.66.0.53"]])];
  const second = request("createNetwork", 1);
  assert.deepEqual(second["options"], options);
  assert.deepEqual(second["ipv4"], [
    { addressSpace: "LocalDefault", subnet: "10.66.0.0/16", gateway: "10.66.0.254/16", aux },
  ]);
  assert.equal(request("createNetwork", 2)["ipv6Enabled"], true);
  assert.equal(request("createNetwork", 3)["internal"], true);
  assert.deepEqual(request("createNetwork", 5)["ipv4"], [
    { addressSpace: "null", subnet: "0.0.0.0/0", aux: new Map() },
  ]);
  const ports = [
    { protocol: "tcp", containerPort: 80, hostPortFirst: 8080, hostPortLast: 8080 },
    { protocol: "udp", containerPort: 53, hostPortFirst: 5353, hostPortLast: 5353, hostAddress: "127.0.0.1" },
  ];
  assert.deepEqual(request("createEndpoint", 0)["ports"], ports);
  assert.deepEqual(request("programExternalConnectivity", 0)["ports"], ports);
  const third = request("createEndpoint", 2);
  assert.equal(third["mac"], "02:aa:bb:cc:dd:ee");
  assert.equal(third["macFromUser"], true);
  assert.deepEqual(third["options"], new Map());
  const options439 = driver.calls
    .map((call) => call.request as Record<string, unknown>)
    .find((one) => one?.["ipv4"] === "10.66.8.8/16");
  assert.deepEqual(
    options439?.["options"],
    new Map([
      ["com.docker.network.endpoint.ifname", "lan0"],
      ["foo", "bar"],
    ]),
  );
});

test("engines before 28 do not say whether IPv4 is wanted", async (t) => {
  const { driver, socketPath } = await openRoom(t);
  await replay(socketPath, new URL("fixtures/engine-20.10.24.jsonl", import.meta.url));
  const enabled = driver.calls
    .filter((call) => call.method === "createNetwork")
    .map((call) => (call.request as { ipv4Enabled: boolean }).ipv4Enabled);
  assert.equal(enabled.filter((one) => !one).length, 1, "only the network with the null IPAM has none");
});

test("the checker refuses what engines refuse", () => {
  const refuse = (method: string, request: Record<string, unknown>, body: unknown, message: RegExp) =>
    assert.throws(() => checkAnswer(`/NetworkDriver.${method}`, request, { status: 200, text: JSON.stringify(body) }), {
      message,
    });
  const sent = { Interface: { Address: "10.0.0.2/24", AddressIPv6: "", MacAddress: "" } };
  refuse("CreateEndpoint", sent, { Interface: { Address: "10.0.0.2/24" } }, /was supplied/);
  refuse("Join", {}, { InterfaceName: { SrcName: "a", DstPrefix: "eth" } }, /neither gateway/);
  refuse("Join", {}, { Gateway: "10.0.0.1/24" }, /is no address/);
  refuse(
    "Join",
    {},
    { Gateway: "10.0.0.1", InterfaceName: { SrcName: "a".repeat(16), DstPrefix: "eth" } },
    /SrcName|match/,
  );
  refuse("Leave", {}, { Left: true }, /unexpected fields/);
  refuse("Leave", {}, { Err: "no" }, /was refused/);
  refuse("Leave", {}, null, /not an object/);
});
