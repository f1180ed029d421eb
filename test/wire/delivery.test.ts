import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { endpointId, networkId, openRoom, openSocket, rawRequest, receive, until } from "./room.ts";

const join = rawRequest("/NetworkDriver.Join", JSON.stringify({ NetworkID: networkId, EndpointID: endpointId }));
const createNetwork = rawRequest("/NetworkDriver.CreateNetwork", JSON.stringify({ NetworkID: networkId }));

test("an engine that hangs up aborts the call, and its success is undone", async (t) => {
  const { driver, socketPath, log } = await openRoom(t);
  const seen = { started: false, undone: false };
  driver.intercept("createNetwork", async (context) => {
    context?.onUndelivered(async () => {
      seen.undone = true;
    });
    seen.started = true;
    await until(() => context?.signal.aborted === true, "the hang-up is noticed");
  });
  const socket = await openSocket(socketPath);
  socket.write(createNetwork);
  await until(() => seen.started, "the driver is at it");
  socket.destroy();
  await until(() => seen.undone, "the undo ran");
  await until(() => log.some((line) => line["msg"] === "driver call undone"), "the undo is logged");
  const { outcome, code } = log.find((line) => line["msg"] === "driver call") ?? {};
  assert.deepEqual({ outcome, code }, { outcome: "undelivered", code: "FW5006" });
});

test("the second of two pipelined calls hears of the hang-up as well", async (t) => {
  const { driver, socketPath } = await openRoom(t);
  const undone: string[] = [];
  for (const method of ["createNetwork", "join"] as const) {
    driver.intercept(method, async (context) => {
      context?.onUndelivered(async () => void undone.push(method));
      await until(() => context?.signal.aborted === true, "the hang-up is noticed");
    });
  }
  const socket = await openSocket(socketPath);
  socket.write(createNetwork + rawRequest("/NetworkDriver.CreateNetwork", createNetwork.split("\r\n\r\n")[1] ?? ""));
  await until(() => driver.calls.length === 2, "both calls run");
  socket.destroy();
  await until(() => undone.length === 2, "both are undone");
});

test("one undo that fails does not keep the others from running", async (t) => {
  const { driver, socketPath, log } = await openRoom(t);
  let ran = false;
  driver.intercept("createNetwork", async (context) => {
    context?.onUndelivered(async () => {
      ran = true;
    });
    context?.onUndelivered(async () => {
      throw new Error("no");
    });
    await until(() => context?.signal.aborted === true, "the hang-up is noticed");
  });
  const socket = await openSocket(socketPath);
  socket.write(createNetwork);
  await until(() => driver.calls.length === 1, "the driver is at it");
  socket.destroy();
  await until(
    () => log.some((line) => line["msg"] === "undo failed" && line["code"] === "FW9002"),
    "the failure is logged",
  );
  assert.ok(ran);
});

/** A zombie whose last thread, and with that its connection, is gone. */
function isDead(pid: number | undefined): boolean {
  const isZombie = readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  return isZombie && readdirSync(`/proc/${pid}/task`).length === 1;
}

test("an engine whose death shows only in writing to it has not got the answer", async (t) => {
  const { driver, socketPath } = await openRoom(t);
  const script = `const socket = require("node:net").connect(process.argv[1]);
    socket.write(process.argv[2], () => setTimeout(() => process.kill(process.pid, "SIGKILL"), 100));`;
  let undone = false;
  driver.intercept("createNetwork", async (context) => {
    context?.onUndelivered(async () => {
      undone = true;
    });
    // Blocks this whole process, so that it cannot hear of the hang-up.
    while (!isDead(engine.pid)) {}
  });
  const engine = spawn(process.execPath, ["-e", script, socketPath, createNetwork]);
  await until(() => undone, "the undo ran");
});

test("an answer that arrived is not undone when the engine hangs up afterwards", async (t) => {
  const { driver, socketPath, log } = await openRoom(t);
  driver.intercept("createNetwork", async (context) => {
    context?.onUndelivered(async () => assert.fail("undone although delivered"));
  });
  const socket = await openSocket(socketPath);
  socket.write(createNetwork);
  await receive(socket, (text) => text.endsWith("{}"));
  socket.destroy();
  await until(() => log.some((line) => line["outcome"] === "ok"), "the call is logged");
  assert.equal(
    log.find((line) => line["msg"] === "driver call undone"),
    undefined,
  );
});

test("a request that breaks off in its body reaches nobody", async (t) => {
  const { driver, socketPath, log } = await openRoom(t);
  const socket = await openSocket(socketPath);
  socket.write(join.slice(0, -10));
  socket.end();
  await until(() => log.length > 0, "the end of the call");
  assert.equal(log[0]?.["outcome"], "undelivered");
  assert.deepEqual(driver.calls, []);
});
