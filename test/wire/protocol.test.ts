import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import supertest from "supertest";
import { FairwayError } from "../../src/errors.ts";
import { parseNetworkId } from "../../src/model/ids.ts";
import { endpointId, networkId, openRoom, type Room, type RoomOptions, until } from "./room.ts";

const ids = { NetworkID: networkId, EndpointID: endpointId };
const creations = ["CreateNetwork", "CreateEndpoint", "Join", "ProgramExternalConnectivity"];
const deletions = ["DeleteNetwork", "DeleteEndpoint", "Leave", "RevokeExternalConnectivity"];

/** A room that knows the network. */
async function openWithNetwork(t: TestContext, options: RoomOptions = {}): Promise<Room> {
  const room = await openRoom(t, options);
  const created = await call(room, "CreateNetwork", { NetworkID: networkId, Options: {}, IPv4Data: [], IPv6Data: [] });
  assert.deepEqual(created.body, {});
  return room;
}

async function call(room: Room, method: string, content?: object | string) {
  const path = method.includes(".") ? method : `/NetworkDriver.${method}`;
  return await supertest(room.url).post(path).send(content).buffer(true).parse(parseJson);
}

function parseJson(response: supertest.Response, done: (error: Error | null, body: unknown) => void): void {
  let text = "";
  response.on("data", (chunk) => {
    text += chunk;
  });
  response.on("end", () => done(null, JSON.parse(text)));
}

test("answers carry the plugin content type and a length", async (t) => {
  const room = await openRoom(t);
  const { status, headers, body } = await call(room, "/Plugin.Activate");
  assert.equal(status, 200);
  assert.deepEqual(body, { Implements: ["NetworkDriver", "IpamDriver"] });
  assert.equal(headers["content-type"], "application/vnd.docker.plugins.v1.2+json");
  assert.equal(headers["content-length"], String(JSON.stringify(body).length));
  assert.equal(headers["x-powered-by"], undefined);
  assert.equal(headers["etag"], undefined);
});

test("capabilities are local", async (t) => {
  const { body } = await call(await openRoom(t), "GetCapabilities");
  assert.deepEqual(body, { Scope: "local", ConnectivityScope: "local" });
});

test("a swarm manager gets back the options that the nodes shall see", async (t) => {
  const room = await openRoom(t);
  const { body } = await call(room, "AllocateNetwork", { NetworkID: "n", Options: { mode: "routed" }, IPv6Data: null });
  assert.deepEqual(body, { Options: { mode: "routed" } });
  for (const method of ["FreeNetwork", "DiscoverNew", "DiscoverDelete"]) {
    assert.deepEqual((await call(room, method, { NetworkID: "n" })).body, {});
  }
});

test("a refusal is a 200 with the whole text in Err and Error, and no option value in the log", async (t) => {
  const room = await openRoom(t);
  const { status, body } = await call(room, "CreateEndpoint", { ...ids, Options: { secret: "hush" } });
  assert.equal(status, 200);
  assert.match(body.Err, /^network 92f4.* is not known\n.*FW5003/);
  assert.equal(body.Error, body.Err);
  const line = room.log.find((entry) => entry["msg"] === "driver call");
  const { requestId, durationMs, time, ...rest } = line ?? {};
  assert.match(String(requestId), /^[0-9a-f]{8}$/);
  assert.equal(typeof durationMs, "number");
  assert.match(String(time), /^\d{4}-/);
  const expected = { level: "info", msg: "driver call", method: "CreateEndpoint", networkId, endpointId };
  assert.deepEqual(rest, { ...expected, outcome: "refused", code: "FW5003" });
  assert.doesNotMatch(JSON.stringify(room.log), /hush/);
});

test("a defect is a 500 without a stack trace; the log has it", async (t) => {
  const room = await openWithNetwork(t);
  room.driver.intercept("createEndpoint", async () => {
    throw new TypeError("boom".repeat(10_000));
  });
  const { status, body, text } = await call(room, "CreateEndpoint", ids);
  assert.equal(status, 500);
  assert.match(body.Err, /^internal error: boom.*\n.*\n.*FW9002/);
  assert.ok(body.Err.length <= 2000);
  assert.doesNotMatch(String(text ?? JSON.stringify(body)), /protocol\.test|node:internal|\bat /);
  await until(
    () => room.log.some((line) => line["code"] === "FW9002" && String(line["stack"]).includes("at ")),
    "logged",
  );
});

test("the text of an error is cut, not the connection", async (t) => {
  const room = await openWithNetwork(t);
  room.driver.intercept("join", async () => {
    throw new FairwayError({ code: "FW3004", what: "x".repeat(5000) });
  });
  const { body } = await call(room, "Join", ids);
  assert.equal(body.Err.length, 2000);
});

test("a creation without content asks for a repetition of the command", async (t) => {
  const room = await openRoom(t);
  for (const method of [...creations, "AllocateNetwork"]) {
    for (const content of ["", "\n"]) {
      const { status, body } = await call(room, method, content);
      assert.equal(status, 200);
      assert.match(
        body.Err,
        new RegExp(`^the call ${method} arrived without its content\n.*\n.*run the command again.*FW5002`),
      );
    }
  }
  assert.deepEqual(room.driver.calls, []);
});

test("a deletion without content finishes what was begun", async (t) => {
  const room = await openRoom(t);
  for (const method of deletions) {
    const { status, body } = await call(room, method);
    assert.deepEqual({ status, body }, { status: 200, body: {} });
  }
  assert.equal(room.driver.count("finishDeletes"), deletions.length);
  assert.equal(room.driver.calls.length, deletions.length);
});

test("an endpoint's information without content is still the information", async (t) => {
  const { status, body } = await call(await openRoom(t), "EndpointOperInfo");
  assert.deepEqual({ status, body }, { status: 200, body: { Value: {} } });
});

test("deletions always succeed towards the engine", async (t) => {
  const room = await openRoom(t);
  const odd = [
    ids,
    { NetworkID: "../../etc/cron.d/x", EndpointID: "/abs" },
    { NetworkID: "", EndpointID: "x".repeat(10_000) },
    { NetworkID: 7 },
    {},
    "null",
    "[1]",
  ];
  for (const method of deletions) {
    for (const content of odd) {
      const { status, body } = await call(room, method, content);
      assert.deepEqual({ status, body }, { status: 200, body: {} });
    }
  }
  assert.equal(
    room.log.find((line) => line["level"] === "error"),
    undefined,
  );
});

test("deletions succeed even when the driver does not, and the log tells", async (t) => {
  const room = await openRoom(t);
  const methods = ["deleteNetwork", "deleteEndpoint", "leave", "revokeExternalConnectivity", "finishDeletes"] as const;
  for (const method of methods) {
    room.driver.intercept(method, async () => {
      throw new FairwayError({ code: "FW9001", what: "the kernel said no" });
    });
  }
  for (const method of deletions) {
    for (const content of [ids, undefined]) {
      const { status, body } = await call(room, method, content);
      assert.deepEqual({ status, body }, { status: 200, body: {} });
    }
  }
  await until(() => room.log.filter((line) => line["code"] === "FW9001").length === 8, "eight failures are logged");
  assert.ok(room.log.every((line) => line["level"] === "error" && line["outcome"] === "failed"));
});

test("an endpoint's information never fails, because old engines would stop the container", async (t) => {
  const room = await openRoom(t);
  const { status, body } = await call(room, "EndpointOperInfo", ids);
  assert.deepEqual({ status, body }, { status: 200, body: { Value: {} } });
});

test("a repeated deletion is as good as the first", async (t) => {
  const room = await openWithNetwork(t);
  await call(room, "CreateEndpoint", ids);
  const five = Array.from({ length: 5 }, async () => await call(room, "DeleteEndpoint", ids));
  for (const { status, body } of await Promise.all(five)) {
    assert.deepEqual({ status, body }, { status: 200, body: {} });
  }
});

test("an answer never repeats what the engine supplied", async (t) => {
  const room = await openWithNetwork(t);
  const Interface = { Address: "10.0.0.2/24", AddressIPv6: "", MacAddress: "02:42:00:00:00:01" };
  assert.deepEqual((await call(room, "CreateEndpoint", { ...ids, Interface })).body, {});
});

test("keys are taken in any case and null lists are empty, as Go does it", async (t) => {
  const room = await openRoom(t);
  const content = { networkid: networkId, OPTIONS: { "com.docker.network.generic": null }, ipv4data: null, New: [1] };
  assert.deepEqual((await call(room, "CreateNetwork", content)).body, {});
  assert.ok(room.driver.networks.has(parseNetworkId(networkId)));
  await call(room, "CreateEndpoint", { ...ids, interface: { macaddress: "02:42:00:00:00:01" } });
  const [endpoint] = room.driver.endpoints.values();
  assert.equal(endpoint?.mac, "02:42:00:00:00:01");
});

test("a call over the deadline is answered, and undone when it succeeds later", async (t) => {
  const room = await openWithNetwork(t, { deadlineMs: 50 });
  const release = Promise.withResolvers<void>();
  const seen: { reason?: unknown; undone: string[] } = { undone: [] };
  room.driver.intercept("createEndpoint", async (context) => {
    context?.onUndelivered(async () => void seen.undone.push("first"));
    context?.onUndelivered(async () => void seen.undone.push("second"));
    await release.promise;
    seen.reason = context?.signal.reason;
  });
  const { status, body } = await call(room, "CreateEndpoint", ids);
  assert.equal(status, 200);
  assert.match(body.Err, /^the call CreateEndpoint took longer than 50 ms\n[\s\S]*FW5006/);
  assert.deepEqual(seen.undone, [], "not before the call has settled");
  release.resolve();
  await until(() => seen.undone.length === 2, "the undos ran");
  assert.deepEqual(seen.undone, ["second", "first"]);
  assert.ok(seen.reason instanceof FairwayError && seen.reason.code === "FW5006");
});

test("a call that is rejected is not undone, because the driver did that", async (t) => {
  const room = await openWithNetwork(t);
  room.driver.intercept("join", async (context) => {
    context?.onUndelivered(async () => assert.fail("undone twice"));
    throw new FairwayError({ code: "FW3007", what: "name taken" });
  });
  assert.match((await call(room, "Join", ids)).body.Err, /^name taken/);
  await until(() => room.log.some((line) => line["code"] === "FW3007"), "the call is over");
  assert.equal(
    room.log.find((line) => line["msg"] === "driver call undone"),
    undefined,
  );
});

test("fifty calls run side by side", async (t) => {
  const room = await openWithNetwork(t);
  const all = Promise.withResolvers<void>();
  room.driver.intercept("createEndpoint", async () => {
    if (room.driver.count("createEndpoint") === 50) {
      all.resolve();
    }
    await all.promise;
  });
  const calls = Array.from({ length: 50 }, async (_, index) => {
    const EndpointID = String(index).padStart(64, "0");
    return await call(room, "CreateEndpoint", { NetworkID: networkId, EndpointID });
  });
  const answers = await Promise.all(calls);
  assert.ok(answers.every(({ status, body }) => status === 200 && !("Err" in body)));
  assert.equal(room.driver.endpoints.size, 50);
});

test("contents are logged only where asked for", async (t) => {
  const room = await openRoom(t, { level: "silly" });
  await call(room, "CreateEndpoint", { ...ids, Options: { secret: "hush" } });
  await until(() => room.log.some((line) => line["msg"] === "driver call content"), "content logged");
  assert.match(JSON.stringify(room.log), /hush/);
});
