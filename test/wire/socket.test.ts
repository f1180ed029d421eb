import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { createServer as createNetServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { passedSocket } from "../../src/wire/activation.ts";
import { createApp, createServer } from "../../src/wire/server.ts";
import { type Listener, listenOnPath } from "../../src/wire/socket.ts";
import { FakeDriver } from "../fakes/fake-driver.ts";
import { FakeIpam } from "../fakes/fake-ipam.ts";
import { openSocket, rawRequest, receive, recordingLogger, temporaryDirectory, until } from "./room.ts";

const activate = rawRequest("/Plugin.Activate", "");
const whole = (text: string) => /\r\n\r\n.+$/s.test(text);

async function listenAt(path: string, driver = new FakeDriver()): Promise<Listener> {
  return await listenOnPath(
    createServer(createApp({ driver, ipam: new FakeIpam(), logger: recordingLogger("info").logger })),
    path,
  );
}

/** A socket file whose owner is gone. */
async function leaveStaleSocket(t: TestContext, path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  const child = spawn(process.execPath, ["-e", script, path]);
  t.after(() => child.kill());
  await once(child, "exit");
  assert.ok((await lstat(path)).isSocket());
}

async function isServed(path: string): Promise<boolean> {
  const socket = await openSocket(path);
  socket.write(activate);
  const text = await receive(socket, whole);
  socket.destroy();
  return text.startsWith("HTTP/1.1 200");
}

test("only the owner can open the socket, and its directory is made", async (t) => {
  const directory = join(await temporaryDirectory(t), "plugins", "deep");
  const path = join(directory, "fairway.sock");
  const mask = process.umask(0);
  t.after(() => process.umask(mask));
  await using _listener = await listenAt(path);
  assert.equal(process.umask(), 0, "the mask is restored");
  const stats = await lstat(path);
  assert.ok(stats.isSocket());
  assert.equal(stats.mode & 0o7777, 0o600);
  assert.equal((await lstat(directory)).mode & 0o7777, 0o755);
  assert.deepEqual(await readdir(directory), ["fairway.sock"]);
  assert.ok(await isServed(path));
});

test("closing removes the socket", async (t) => {
  const directory = await temporaryDirectory(t);
  const listener = await listenAt(join(directory, "fairway.sock"));
  await listener.close();
  assert.deepEqual(await readdir(directory), []);
});

test("closing leaves a successor's socket alone", async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  const first = await listenAt(path);
  await rename(path, `${path}.moved`);
  await using _second = await listenAt(path);
  await first.close();
  assert.ok(await isServed(path));
});

test("a dead socket is replaced", async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  await leaveStaleSocket(t, path);
  await using _listener = await listenAt(path);
  assert.ok(await isServed(path));
});

test("a served socket is left to whoever serves it", async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  await using _first = await listenAt(path);
  await assert.rejects(listenAt(path), { code: "FW2003" });
  assert.ok(await isServed(path));
});

test("what is not a socket is neither used nor removed", async (t) => {
  const directory = await temporaryDirectory(t);
  const target = join(directory, "target");
  await using _target = await listenAt(target);
  const link = join(directory, "link.sock");
  await symlink(target, link);
  await assert.rejects(listenAt(link), { code: "FW2008" });
  assert.ok((await lstat(link)).isSymbolicLink());
  const file = join(directory, "file.sock");
  await writeFile(file, "mine");
  await assert.rejects(listenAt(file), { code: "FW2008" });
  await mkdir(join(directory, "directory.sock"));
  await assert.rejects(listenAt(join(directory, "directory.sock")), { code: "FW2008" });
  await assert.rejects(listenAt(join(file, "below.sock")), { code: "FW2008" });
  await assert.rejects(listenAt(join(directory, "x".repeat(100))), { code: "FW2008" });
});

test("closing lets a running call end, and waits for nobody's next one", { timeout: 20_000 }, async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  const driver = new FakeDriver();
  const release = Promise.withResolvers<void>();
  driver.intercept("finishDeletes", async () => await release.promise);
  const listener = await listenAt(path, driver);
  const idle = await openSocket(path);
  idle.write(activate);
  await receive(idle, whole);
  const busy = await openSocket(path);
  busy.write(rawRequest("/NetworkDriver.Leave", ""));
  await until(() => driver.calls.length === 1, "the call runs");
  const closed = listener.close(60_000);
  await receive(idle, () => false);
  release.resolve();
  assert.match(await receive(busy, () => false), /200 OK[\s\S]*\{\}$/);
  await closed;
});

test("closing cuts what does not end within the grace period", async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  const driver = new FakeDriver();
  driver.intercept("finishDeletes", async () => await new Promise(() => undefined));
  const listener = await listenAt(path, driver);
  const busy = await openSocket(path);
  busy.write(rawRequest("/NetworkDriver.Leave", ""));
  await until(() => driver.calls.length === 1, "the call runs");
  await listener.close(10);
  assert.equal(await receive(busy, () => false), "");
});

test("systemd's socket is taken only if it is meant for this process", () => {
  assert.equal(passedSocket({}, 7), undefined);
  assert.equal(passedSocket({ LISTEN_PID: "8", LISTEN_FDS: "1" }, 7), undefined);
  assert.equal(passedSocket({ LISTEN_PID: "7", LISTEN_FDS: "0" }, 7), undefined);
  assert.equal(passedSocket({ LISTEN_PID: "7", LISTEN_FDS: "1" }, 7), 3);
  assert.throws(() => passedSocket({ LISTEN_PID: "7", LISTEN_FDS: "2" }, 7), { code: "FW2008" });
});

test("a passed socket is served and survives the server", async (t) => {
  const path = join(await temporaryDirectory(t), "fairway.sock");
  const passer = createNetServer();
  t.after(() => passer.close());
  passer.listen(path);
  await once(passer, "listening");
  const script = new URL("passed-socket.ts", import.meta.url).pathname;
  // The child's descriptor 3 is the listening socket, as with sd_listen_fds(3).
  const handle = (passer as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit", handle.fd] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout ?? assert.fail(), "data");
  // The passer still accepts on the same socket, so knock until the child gets one.
  let served = false;
  passer.on("connection", (socket) => socket.destroy());
  await until(() => {
    void isServed(path).then(
      (yes) => {
        served ||= yes;
      },
      () => undefined,
    );
    return served;
  }, "the child answers");
  child.stdin?.end();
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  assert.ok((await lstat(path)).isSocket());
});
