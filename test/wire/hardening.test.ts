import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp, createServer } from "../../src/wire/server.ts";
import { FakeDriver } from "../fakes/fake-driver.ts";
import { FakeIpam } from "../fakes/fake-ipam.ts";
import { exchange, networkId, openRoom, openSocket, rawRequest, receive, recordingLogger, until } from "./room.ts";

const paths = [
  "/Plugin.Activate",
  ...[
    "GetCapabilities",
    "CreateNetwork",
    "DeleteNetwork",
    "CreateEndpoint",
    "DeleteEndpoint",
    "EndpointOperInfo",
    "Join",
    "Leave",
    "ProgramExternalConnectivity",
    "RevokeExternalConnectivity",
    "AllocateNetwork",
    "FreeNetwork",
    "DiscoverNew",
    "DiscoverDelete",
  ].map((method) => `/NetworkDriver.${method}`),
];
const activate = rawRequest("/Plugin.Activate", "");
const activated = '{"Implements":["NetworkDriver","IpamDriver"]}';
const whole = (text: string) => /\r\n\r\n(\{.*\}|.+)$/s.test(text);

function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
}

test("an empty Host header and a missing content type are what old engines send", async (t) => {
  const { socketPath } = await openRoom(t);
  const text = await exchange(socketPath, activate, whole);
  assert.equal(statusOf(text), 200);
  assert.ok(text.endsWith(activated));
  assert.doesNotMatch(text, /Connection: close/i);
  const withoutHost = await exchange(socketPath, activate.replace("Host: \r\n", ""), whole);
  assert.equal(statusOf(withoutHost), 200);
});

test("pipelined calls are answered in order on one connection", async (t) => {
  const { socketPath } = await openRoom(t);
  const two = activate + rawRequest("/NetworkDriver.Nothing", "{}") + rawRequest("/NetworkDriver.GetCapabilities", "");
  const text = await exchange(socketPath, two.repeat(100), (all) => all.split("ConnectivityScope").length === 101);
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]);
  assert.deepEqual(statuses, Array.from({ length: 100 }, () => ["200", "404", "200"]).flat());
});

test("a body may come in any framing and under any content type", async (t) => {
  const { socketPath, driver } = await openRoom(t);
  const body = JSON.stringify({ NetworkID: networkId });
  const chunks = [...body].map((character) => `1\r\n${character}\r\n`).join("");
  const head = "POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: \r\nContent-Type: text/plain; charset=utf-16\r\n";
  const text = await exchange(socketPath, `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`, whole);
  assert.ok(text.endsWith("\r\n\r\n{}"), text);
  assert.equal(driver.networks.size, 1);
});

test("only POST calls a method", async (t) => {
  const { socketPath, driver } = await openRoom(t);
  for (const verb of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const text = await exchange(socketPath, activate.replace("POST", verb), whole);
    assert.equal(statusOf(text), 405, verb);
    assert.match(text, /Allow: POST/);
  }
  assert.deepEqual(driver.calls, []);
});

test("only the exact path of a method is one", async (t) => {
  const { socketPath } = await openRoom(t);
  const odd = [
    "/",
    "/NetworkDriver.join",
    "/NetworkDriver.Join/",
    "//NetworkDriver.Join",
    "/NetworkDriverXJoin",
    "/%zz",
    "*",
  ];
  for (const path of [
    ...odd,
    "/IpamDriver.getCapabilities",
    "/NetworkDriver.GwAllocCheck",
    "/../../etc/passwd",
    "/a%00b",
  ]) {
    const text = await exchange(socketPath, rawRequest(path, "{}"), whole);
    assert.equal(statusOf(text), 404, path);
    assert.match(text, /FW5007/);
  }
});

test("a body over the limit is refused without being read", async (t) => {
  const { socketPath, driver } = await openRoom(t);
  const announced = rawRequest("/NetworkDriver.CreateNetwork", "x").replace(
    "Content-Length: 1",
    "Content-Length: 1073741824",
  );
  const text = await exchange(socketPath, announced, whole);
  assert.equal(statusOf(text), 413);
  assert.match(text, /Connection: close/);
  const head = "POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n";
  const megabyte = `100000\r\n${" ".repeat(0x100000)}\r\n`;
  assert.equal(statusOf(await exchange(socketPath, `${head}${megabyte.repeat(9)}`, whole)), 413);
  assert.deepEqual(driver.calls, []);
});

test("hostile contents get a clean answer on every path", async (t) => {
  const { socketPath, driver, log } = await openRoom(t);
  const hostile = new Map<string, string | Buffer>([
    ["deep arrays", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["deep objects", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`],
    ["prototype", '{"Options":{"com.docker.network.generic":{"__proto__":{"polluted":1}}}}'],
    ["escaped prototype", '{"\\u005f_proto__":{"polluted":1}}'],
    ["constructor", '{"constructor":{"prototype":{"polluted":1}}}'],
    ["byte order mark", '\ufeff{"NetworkID":""}'],
    ["bad UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["lone surrogate", '{"NetworkID":"\\ud800"}'],
    ["lone surrogate in a key", '{"\\udc00":1}'],
    ["half a text", '{"NetworkID":"'],
    ["noise", Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 256))],
  ]);
  for (const path of paths) {
    for (const [name, body] of hostile) {
      const head = rawRequest(path, "").replace("Content-Length: 0", `Content-Length: ${Buffer.byteLength(body)}`);
      const text = await exchange(socketPath, Buffer.concat([Buffer.from(head), Buffer.from(body)]), whole);
      assert.equal(statusOf(text), 400, `${path} with ${name}`);
      assert.match(text, /"Err":".*FW5001/, `${path} with ${name}`);
    }
  }
  assert.deepEqual(driver.calls, []);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  assert.equal(
    log.find((line) => line["level"] === "error"),
    undefined,
  );
});

test("wrong shapes are refused by name, and the same key twice is harmless", async (t) => {
  const { socketPath } = await openRoom(t);
  const say = async (body: string) =>
    await exchange(socketPath, rawRequest("/NetworkDriver.CreateNetwork", body), whole);
  assert.match(await say('{"NetworkID":1e400}'), /request field \\"NetworkID\\" has the wrong shape/);
  assert.match(await say('{"IPv4Data":[{"Pool":7}]}'), /request field \\"IPv4Data.0.Pool\\"/);
  assert.match(await say("[]"), /the request has the wrong shape/);
  const twice = await say(`{"NetworkID":"x","NetworkID":"${networkId}"}`);
  assert.ok(twice.endsWith("\r\n\r\n{}"), twice);
});

test("what is not HTTP closes its own connection and no other", async (t) => {
  const { socketPath } = await openRoom(t);
  const patient = await openSocket(socketPath);
  const noise = [
    Buffer.from(Array.from({ length: 2048 }, (_, index) => (index * 7919) % 256)),
    "GET /Plugin.Activate\r\n\r\n",
    `POST /Plugin.Activate HTTP/1.1\r\n${"X: y\r\n".repeat(10_000)}\r\n`,
    `POST /Plugin.Activate HTTP/1.1\r\nX: ${"y".repeat(17 * 1024)}\r\n\r\n`,
    "POST /Plugin.Activate HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /Plugin.Activate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
  ];
  for (const bytes of noise) {
    const text = await exchange(socketPath, bytes, () => false);
    assert.doesNotMatch(text, /^HTTP\/1\.1 200/);
  }
  patient.write(activate);
  assert.match(await receive(patient, whole), /200 OK/);
  patient.destroy();
});

test("an idle connection is never closed from this side", async (t) => {
  const { logger } = recordingLogger("info");
  assert.equal(createServer(createApp({ driver: new FakeDriver(), ipam: new FakeIpam(), logger })).keepAliveTimeout, 0);
  const { socketPath } = await openRoom(t);
  const socket = await openSocket(socketPath);
  t.after(() => socket.destroy());
  socket.write(activate);
  await receive(socket, whole);
  // Node's own default would close it after 5 s and 1 s of grace.
  await new Promise((resolve) => setTimeout(resolve, 6500));
  socket.write(activate);
  assert.match(await receive(socket, whole), /200 OK/);
});

test("a slow request is cut off, a connection that has said nothing yet is not", async (t) => {
  const { socketPath } = await openRoom(t, { requestTimeoutMs: 100, checkEveryMs: 20 });
  const silent = await openSocket(socketPath);
  t.after(() => silent.destroy());
  const used = await openSocket(socketPath);
  t.after(() => used.destroy());
  used.write(activate);
  await receive(used, whole);
  for (const slow of ["POST /Plugin.Act", join100]) {
    assert.equal(await exchange(socketPath, slow, () => false), "", "closed without an answer");
  }
  for (const socket of [silent, used]) {
    socket.write(activate);
    assert.match(await receive(socket, whole), /200 OK/);
  }
});

const join100 = "POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 100\r\n\r\n{";

test("connections are limited, and the limit recovers", async (t) => {
  const { socketPath } = await openRoom(t, { maxConnections: 3 });
  const open = await Promise.all(Array.from({ length: 3 }, async () => await openSocket(socketPath)));
  assert.equal(await exchange(socketPath, activate, () => false), "");
  for (const socket of open) {
    socket.destroy();
  }
  let text = "";
  await until(() => {
    void exchange(socketPath, activate, whole).then((answer) => {
      text = answer;
    });
    return text.endsWith(activated);
  }, "there is room again");
});
