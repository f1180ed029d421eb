/** Set-ups that can never work, and what each one's text says. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterStore, type EtcdSettings } from "../../../src/cluster/create.ts";
import { EtcdStore } from "../../../src/cluster/etcd.ts";
import { FairwayError } from "../../../src/errors.ts";
import { type EtcdCluster, startEtcd } from "../../lab/etcd.ts";
import { makeCertificates } from "../../lab/tls.ts";

async function refusalOf(settings: EtcdSettings, key = "/fairway/a"): Promise<FairwayError> {
  await using store = createClusterStore(settings);
  try {
    await store.get(key);
  } catch (error) {
    assert.ok(error instanceof FairwayError, String(error));
    return error;
  }
  return assert.fail("it was not refused");
}

describe("etcd with TLS, certificates of clients, and users", () => {
  let cluster: EtcdCluster;
  let directory: string;
  let passwordFile: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "fairway-refusals-"));
    passwordFile = join(directory, "password");
    await writeFile(passwordFile, "s3cret word\n");
    cluster = await startEtcd({
      tls: true,
      clientCertificates: true,
      auth: { user: "fairway", password: "s3cret word" },
    });
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  test("takes who has all three, again after a restart that forgot its tokens", async () => {
    await using store = createClusterStore({ ...cluster.settings, user: "fairway", passwordFile });
    const entry = await store.put("/fairway/a", "1", "absent");
    assert.deepEqual(await store.get("/fairway/a"), entry);
    assert.equal(await store.renewLease(await store.grantLease(60)), true);
    await cluster.members[0]?.kill();
    cluster.members[0]?.start();
    assert.deepEqual(await store.get("/fairway/a"), entry);
  });

  test("many requests of a stranger to the token share one login", async () => {
    await using store = createClusterStore({ ...cluster.settings, user: "fairway", passwordFile });
    const all = await Promise.all(Array.from({ length: 20 }, () => store.list("/fairway/none/")));
    assert.deepEqual(all.flat(), []);
  });

  test("a wrong password: FW4002, at once", async () => {
    await writeFile(join(directory, "wrong"), "guess");
    const error = await refusalOf({ ...cluster.settings, user: "fairway", passwordFile: join(directory, "wrong") });
    assert.equal(error.code, "FW4002");
    assert.match(error.why ?? "", /password is wrong/);
  });

  test("no user: FW4002 says that one is wanted", async () => {
    const error = await refusalOf(cluster.settings);
    assert.equal(error.code, "FW4002");
    assert.match(error.why ?? "", /wants a user/);
  });

  test("a key that the role does not have: FW4002 names the role's command", async () => {
    const error = await refusalOf({ ...cluster.settings, user: "fairway", passwordFile }, "/other/a");
    assert.equal(error.code, "FW4002");
    assert.match(error.fix ?? "", /grant-permission fairway readwrite \/fairway\//);
  });

  test("an authority that is not ours: FW4002 says unknown CA", async () => {
    const other = await makeCertificates(directory, ["127.0.0.1"]);
    for (const settings of [{ endpoints: cluster.settings.endpoints }, { ...cluster.settings, caFile: other.ca }]) {
      const error = await refusalOf(settings);
      assert.equal(error.code, "FW4002");
      assert.match(error.why ?? "", /unknown CA/);
      assert.match(error.fix ?? "", /caFile/);
    }
  });

  test("no certificate of our own: FW4002 says that one is wanted", async () => {
    const { endpoints, caFile = "" } = cluster.settings;
    const error = await refusalOf({ endpoints, caFile });
    assert.equal(error.code, "FW4002");
    assert.match(error.fix ?? "", /certFile/);
  });

  test("a name that its certificate does not have: FW4002", async () => {
    const endpoints = cluster.settings.endpoints.map((url) => url.replace("127.0.0.1", "localhost"));
    const error = await refusalOf({ ...cluster.settings, endpoints });
    assert.equal(error.code, "FW4002");
    assert.match(error.why ?? "", /other names/);
  });

  test("plain HTTP, on which it hangs up: FW4001 asks whether it wants https", async () => {
    const endpoints = cluster.settings.endpoints.map((url) => url.replace("https:", "http:"));
    await using store = new EtcdStore({ endpoints, deadlineMs: 500 });
    await assert.rejects(store.get("/fairway/a"), { code: "FW4001", message: /does it want https/ });
  });
});

describe("etcd without TLS", () => {
  let cluster: EtcdCluster;

  before(async () => {
    cluster = await startEtcd({ firstPort: 23_990 });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test("https: FW4002", async () => {
    const endpoints = cluster.settings.endpoints.map((url) => url.replace("http:", "https:"));
    assert.equal((await refusalOf({ endpoints })).code, "FW4002");
  });

  test("a user where nobody is asked for one: FW4002", async () => {
    await using store = new EtcdStore({ endpoints: cluster.settings.endpoints, user: "fairway", password: "x" });
    await assert.rejects(store.get("/fairway/a"), { code: "FW4002", message: /authentication is not enabled/ });
  });

  test("a member that is set up wrongly does no harm while another one works", async () => {
    const good = cluster.settings.endpoints;
    await using store = new EtcdStore({ endpoints: [...good.map((url) => url.replace("http:", "https:")), ...good] });
    assert.equal(await store.get("/fairway/a"), undefined);
  });

  test("a member that accepts and never answers is left for the next one", async () => {
    const { server, url } = await deafServer();
    try {
      const endpoints = [url, ...cluster.settings.endpoints];
      await using store = new EtcdStore({ endpoints, attemptMs: 200 });
      assert.equal((await store.put("/fairway/a", "1", "absent"))?.value, "1");
      await using alone = new EtcdStore({ endpoints: [url], attemptMs: 200, deadlineMs: 700 });
      await assert.rejects(alone.get("/fairway/a"), { code: "FW4001", message: /no answer within/ });
    } finally {
      server.close();
    }
  });

  test("nobody there: FW4001 names the address and the reason", async () => {
    await using store = new EtcdStore({ endpoints: ["http://127.0.0.1:1"], deadlineMs: 300 });
    await assert.rejects(store.get("/fairway/a"), { code: "FW4001", message: /127\.0\.0\.1:1: ECONNREFUSED/ });
  });
});

test("etcd with its gateway off: FW4002 names the flag", async () => {
  await using cluster = await startEtcd({ gateway: false, firstPort: 24_090 });
  const error = await refusalOf(cluster.settings);
  assert.equal(error.code, "FW4002");
  assert.match(error.why ?? "", /gateway is off/);
  assert.match(error.fix ?? "", /enable-grpc-gateway/);
});

async function deafServer(): Promise<{ readonly server: Server; readonly url: string }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  server.once("close", () => sockets.map((socket) => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const close = server.close.bind(server);
  server.close = (done) => {
    sockets.map((socket) => socket.destroy());
    return close(done);
  };
  return { server, url: `http://127.0.0.1:${port}` };
}
