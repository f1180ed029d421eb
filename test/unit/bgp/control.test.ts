import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { BirdControl } from "../../../src/bgp/bird-control.ts";
import { FrrControl } from "../../../src/bgp/frr-control.ts";
import { IncludeFile } from "../../../src/bgp/include-file.ts";
import { readPasswords } from "../../../src/bgp/secrets.ts";
import { planOf } from "./plans.ts";

function directoryFor(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "fairway-control-"));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** A socket that plays a part. */
async function scripted(context: TestContext, path: string, play: (socket: Socket) => void): Promise<Server> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    play(socket);
  }).listen(path);
  context.after(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  await once(server, "listening");
  return server;
}

/** Answers each command by its own; the rest "0000 ". Records what it was told. */
async function scriptedBird(
  context: TestContext,
  answers: Readonly<Record<string, string>>,
): Promise<{ bird: BirdControl; told: string[]; includeFile: string }> {
  const directory = directoryFor(context);
  const controlSocket = join(directory, "ctl");
  const includeFile = join(directory, "fairway.conf");
  const told: string[] = [];
  await scripted(context, controlSocket, (socket) => {
    socket.write("0001 BIRD 2.0.12 ready.\n");
    socket.on("data", (data) => {
      const command = data.toString().trim();
      told.push(command);
      const answer = answers[command] ?? "0000 \n";
      // Byte by byte, as a slow socket delivers it.
      for (const byte of Buffer.from(answer)) {
        socket.write(Buffer.of(byte));
      }
    });
  });
  return { bird: new BirdControl({ controlSocket, includeFile, timeoutMs: 500 }), told, includeFile };
}

const included = { "show symbols function": "1010-fairway_ours\tfunction\n0000 \n" };

describe("the control of BIRD", () => {
  test("asks for a check before it loads", async (context) => {
    const { bird, told, includeFile } = await scriptedBird(context, included);
    await bird.apply("new");
    assert.deepEqual(told, ["configure check", "configure", "show symbols function"]);
    assert.equal(readFileSync(includeFile, "utf8"), "new");
  });

  for (const refusedCommand of ["configure check", "configure"]) {
    test(`has the old file again when "${refusedCommand}" is refused`, async (context) => {
      const answers = { ...included, [refusedCommand]: "0002-Reading\n8002 fairway.conf:1:1 syntax error\n" };
      const { bird, includeFile } = await scriptedBird(context, answers);
      writeFileSync(includeFile, "old");
      await assert.rejects(bird.apply("new"), {
        code: "FW4102",
        message: "configuration refused by BIRD: fairway.conf:1:1 syntax error",
      });
      assert.equal(readFileSync(includeFile, "utf8"), "old");
      rmSync(includeFile);
      await assert.rejects(bird.apply("new"), { code: "FW4102" });
      assert.deepEqual(readdirSync(join(includeFile, "..")), ["ctl"]);
    });
  }

  test("has the old file again when BIRD falls silent", async (context) => {
    const { bird, includeFile } = await scriptedBird(context, { "configure check": "0002-Reading\n" });
    writeFileSync(includeFile, "old");
    await assert.rejects(bird.apply("new"), { code: "FW4101" });
    assert.equal(readFileSync(includeFile, "utf8"), "old");
  });

  test("tells when BIRD does not include the file", async (context) => {
    const { bird } = await scriptedBird(context, { "show symbols function": "1010-other\tfunction\n0000 \n" });
    await assert.rejects(bird.apply("new"), { code: "FW4102", message: /^file not included by BIRD: put include "/ });
  });

  test("no typed name becomes a command", async (context) => {
    const { bird, told } = await scriptedBird(context, {});
    await assert.rejects(bird.drain("x\nconfigure"), { code: "FW4104" });
    assert.deepEqual(told, ["show protocols all"]);
  });
});

describe("who is not there or somebody else", () => {
  const both = (directory: string): (BirdControl | FrrControl)[] => [
    new BirdControl({ controlSocket: join(directory, "bgpd.vty"), includeFile: join(directory, "x"), timeoutMs: 100 }),
    new FrrControl({ controlSocket: directory, includeFile: join(directory, "x"), timeoutMs: 100 }),
  ];

  test("no socket", async (context) => {
    for (const control of both(directoryFor(context))) {
      await assert.rejects(control.sessions(), { code: "FW4101", why: "the socket could not be used (ENOENT)" });
      await assert.rejects(control.announced(), { code: "FW4101" });
      await assert.rejects(control.drain("x"), { code: "FW4101" });
      await assert.rejects(control.apply("x"), { code: "FW4101" });
    }
  });

  test("a silent socket, and one that hangs up", async (context) => {
    for (const play of [() => undefined, (socket: Socket) => void socket.end()]) {
      const directory = directoryFor(context);
      await scripted(context, join(directory, "bgpd.vty"), play);
      for (const control of both(directory)) {
        await assert.rejects(control.sessions(), { code: "FW4101", why: /no answer within 100 ms|it hung up|EPIPE/ });
      }
    }
  });

  test("another program", async (context) => {
    const directory = directoryFor(context);
    await scripted(context, join(directory, "bgpd.vty"), (socket) => void socket.write("0001 Quagga ready.\n"));
    await assert.rejects(both(directory)[0]?.sessions() ?? Promise.resolve(), { code: "FW4103" });
  });

  test("FRR without JSON, and with a refusal", async (context) => {
    const answers = new Map([["enable\0", "\0\0\0\0"]]);
    const directory = directoryFor(context);
    await scripted(context, join(directory, "bgpd.vty"), (socket) => {
      socket.on("data", (data) => void socket.write(answers.get(data.toString()) ?? "hello\0\0\0\0"));
    });
    const [, frr] = both(directory);
    await assert.rejects(frr?.sessions() ?? Promise.resolve(), {
      code: "FW4103",
      message: 'answer of FRR to "show bgp summary json" is not understood: hello',
    });
    answers.set("show bgp summary json\0", "% Unknown command\0\0\0\u0002");
    await assert.rejects(frr?.sessions() ?? Promise.resolve(), { code: "FW4102", message: /% Unknown command$/ });
  });
});

describe("files", () => {
  test("the include is replaced as a whole, for nobody else to read", (context) => {
    const directory = directoryFor(context);
    const file = new IncludeFile(join(directory, "fairway.conf"));
    assert.equal(file.read(), undefined);
    file.replace("one");
    chmodSync(file.path, 0o666);
    file.replace("two");
    assert.equal(file.read(), "two");
    assert.equal(statSync(file.path).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(directory), ["fairway.conf"]);
    assert.throws(() => new IncludeFile(join(directory, "no", "file")).replace("x"), { code: "FW4102" });
    assert.throws(() => new IncludeFile(directory).read(), { code: "FW4102", message: /EISDIR/ });
  });

  test("a password that cannot be used is named by its file, never shown", (context) => {
    const directory = directoryFor(context);
    const passwordFile = join(directory, "secret");
    const peer = { name: "tor", address: "10.99.0.1", as: 65000, passwordFile };
    const { peers } = planOf({ daemon: "bird", localAs: 65011, peers: [peer] });
    assert.throws(() => readPasswords(peers), {
      code: "FW2005",
      message: /peer tor: .*secret cannot be used \(ENOENT\)/,
    });
    for (const text of [
      "",
      "\n",
      'hunter2"; x',
      "hunter2 x",
      "hunter2\nx",
      "hunter2\\",
      `hunter2${"x".repeat(80)}`,
      "hunter2é",
    ]) {
      writeFileSync(passwordFile, text);
      assert.throws(
        () => readPasswords(peers),
        (error: Error) => error.message.includes(passwordFile) && !error.message.includes("hunter2"),
      );
    }
    writeFileSync(passwordFile, "hunter2\r\n");
    assert.deepEqual([...readPasswords(peers)], [["tor", "hunter2"]]);
  });
});
