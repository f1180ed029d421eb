/** The IPAM driver as an engine meets it: real address book, real socket, pretended disk. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import supertest from "supertest";
import { AddressBook } from "../../src/ipam/address-book.ts";
import { Registry } from "../../src/store/registry.ts";
import { createApp, createServer } from "../../src/wire/server.ts";
import { listenOnPath } from "../../src/wire/socket.ts";
import { FakeDriver } from "../fakes/fake-driver.ts";
import { FakeStore } from "../fakes/fake-store.ts";
import { hostNetworkOf } from "../fakes/requests.ts";
import { checkAnswer } from "./replay.ts";
import { openSocket, rawRequest, recordingLogger, temporaryDirectory, until } from "./room.ts";

const gatewayType = { RequestAddressType: "com.docker.network.gateway" };

async function openBook(t: TestContext) {
  const socketPath = join(await temporaryDirectory(t), "plugin.sock");
  const store = new FakeStore();
  const registry = new Registry(store);
  const { logger, log } = recordingLogger("info");
  const ipam = new AddressBook({ store, registry, log: logger, nowMs: Date.now });
  const server = createServer(createApp({ driver: new FakeDriver(), ipam, logger }));
  const listener = await listenOnPath(server, socketPath);
  t.after(() => listener.close(0));
  const url = `http+unix://${encodeURIComponent(socketPath)}`;

  /** An answer as strictly read as the strictest engine does. */
  async function ask(method: string, content: object | string = ""): Promise<Record<string, string>> {
    const { status, text, body } = await call(method, content);
    checkAnswer(`/IpamDriver.${method}`, typeof content === "string" ? null : { ...content }, { status, text });
    return body;
  }

  async function call(method: string, content: object | string = "") {
    const path = `/IpamDriver.${method}`;
    const { status, body } = await supertest(url).post(path).send(content).buffer(true).parse(asText);
    return { status, text: String(body), body: JSON.parse(String(body)) };
  }

  return { ask, call, store, registry, socketPath, log };
}

function asText(response: supertest.Response, done: (error: Error | null, body: unknown) => void): void {
  let text = "";
  response.on("data", (chunk) => {
    text += chunk;
  });
  response.on("end", () => done(null, text));
}

test("capabilities ask for a replay, and for no MAC addresses", async (t) => {
  const { ask } = await openBook(t);
  assert.deepEqual(await ask("GetCapabilities"), { RequiresMACAddress: false, RequiresRequestReplay: true });
  assert.deepEqual(await ask("GetDefaultAddressSpaces"), {
    LocalDefaultAddressSpace: "fairway",
    GlobalDefaultAddressSpace: "fairway-global",
  });
});

test("the life of a network with a subnet", async (t) => {
  const { ask, store } = await openBook(t);
  const pool = { AddressSpace: "fairway", Pool: "10.68.0.0/24", SubPool: "10.68.0.128/25", Options: null, V6: false };
  const { PoolID, ...rest } = await ask("RequestPool", pool);
  assert.deepEqual(rest, { Pool: "10.68.0.0/24", Data: {} });
  const gateway = await ask("RequestAddress", { PoolID, Address: "10.68.0.1", Options: gatewayType });
  assert.deepEqual(gateway, { Address: "10.68.0.1/24", Data: {} });
  const container = await ask("RequestAddress", { PoolID, Address: "", Options: null });
  assert.deepEqual(container, { Address: "10.68.0.128/24", Data: {} });
  assert.deepEqual(await ask("ReleaseAddress", { PoolID, Address: "10.68.0.128" }), {});
  assert.deepEqual(await ask("ReleaseAddress", { PoolID, Address: "10.68.0.1" }), {});
  assert.deepEqual(await ask("ReleasePool", { PoolID }), {});
  assert.deepEqual(store.loadPools(), { pools: [], leases: [] });
});

test("a network of mode host gets its gateway with the pool, and its containers the host's address", async (t) => {
  const { ask, registry } = await openBook(t);
  const { PoolID, ...rest } = await ask("RequestPool", { AddressSpace: "fairway", Pool: "", Options: {}, V6: false });
  assert.deepEqual(rest, { Pool: "0.0.0.0/0", Data: { "com.docker.network.gateway": "169.254.80.1/32" } });
  registry.putNetwork(hostNetworkOf());
  const wanted = { PoolID, Address: "", Options: { "com.docker.network.endpoint.name": "web" } };
  assert.deepEqual(await ask("RequestAddress", wanted), { Address: "192.0.2.10/32", Data: {} });
});

test("a restarted engine gets the same pool and the same addresses by the same words", async (t) => {
  const { ask, call } = await openBook(t);
  const pool = { Pool: "10.68.0.0/24", V6: false };
  const before = await ask("RequestPool", pool);
  const wanted = { PoolID: before["PoolID"], Address: "10.68.0.1", Options: gatewayType };
  await ask("RequestAddress", wanted);
  assert.match((await call("RequestPool", pool)).body.Error, /FW3010/);
  await ask("GetCapabilities");
  assert.deepEqual(await ask("RequestPool", pool), before);
  assert.deepEqual(await ask("RequestAddress", wanted), { Address: "10.68.0.1/24", Data: {} });
});

test("refusals have their text in Error, which is where the engine looks, and a code", async (t) => {
  const { call, store } = await openBook(t);
  const refusals: [string, object, string][] = [
    ["RequestPool", { Pool: "10.68.0.0/33" }, "FW3003"],
    ["RequestPool", { Pool: "10.68.0.0/24", SubPool: "10.69.0.0/25" }, "FW3010"],
    ["RequestPool", { Pool: "10.68.0.0/24", Options: { blocks: "26" } }, "FW1001"],
    ["RequestAddress", { PoolID: "fairway/gone/0", Address: "" }, "FW3010"],
    ["RequestAddress", { PoolID: "x", Address: "10.68.0.2/24" }, "FW3003"],
  ];
  for (const [method, content, code] of refusals) {
    const { status, body } = await call(method, content);
    assert.equal(status, 200, method);
    assert.match(body.Error, new RegExp(`${code}, docs/errors\\.md`), method);
    assert.equal(body.Err, body.Error);
  }
  assert.deepEqual(store.loadPools(), { pools: [], leases: [] });
});

test("requests without content, or with another shape, change nothing", async (t) => {
  const { call, ask, store } = await openBook(t);
  for (const method of ["RequestPool", "RequestAddress"]) {
    assert.match(
      (await call(method)).body.Error,
      new RegExp(`^the call ${method} arrived without its content.*FW5002`, "s"),
    );
    const { status, body } = await call(method, { Options: 7 });
    assert.equal(status, 400);
    assert.match(body.Error, /FW5001/);
  }
  const { PoolID } = await ask("RequestPool", { Pool: "10.68.0.0/24" });
  await ask("RequestAddress", { PoolID, Address: "10.68.0.2" });
  const before = store.loadPools();
  for (const content of ["", { PoolID: 7 }, { PoolID, Address: "nonsense" }]) {
    assert.deepEqual(await ask("ReleaseAddress", content), {}, "a release is never refused");
    assert.deepEqual(await ask("ReleasePool", typeof content === "string" ? content : { PoolID: 7 }), {});
  }
  assert.deepEqual(store.loadPools(), before);
});

test("a pool and an address whose answers the engine did not hear of are free again", async (t) => {
  const { ask, store, socketPath, log } = await openBook(t);
  const undone = (): number => log.filter((line) => line["msg"] === "driver call undone").length;
  await hangUp(socketPath, "RequestPool", { Pool: "10.68.0.0/24" });
  await until(() => undone() === 1, "the first is undone");
  assert.deepEqual(store.loadPools().pools, []);
  const { PoolID } = await ask("RequestPool", { Pool: "10.68.0.0/24" });
  await hangUp(socketPath, "RequestAddress", { PoolID, Address: "10.68.0.5" });
  await until(() => undone() === 2, "the second is undone");
  assert.equal((await ask("RequestAddress", { PoolID, Address: "10.68.0.5" }))["Address"], "10.68.0.5/24");
});

/** Sends the request and closes the connection before it can be answered. */
async function hangUp(socketPath: string, method: string, content: object): Promise<void> {
  const socket = await openSocket(socketPath);
  socket.write(rawRequest(`/IpamDriver.${method}`, JSON.stringify(content)));
  socket.destroy();
}
