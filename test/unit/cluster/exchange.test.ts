/** One request to one member, which runs in a thread of its own and so answers while this one is held up. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Wires } from "../../../src/cluster/etcd/exchange.ts";

const member = `
  const { createServer } = require("node:http");
  const { parentPort, workerData: flags } = require("node:worker_threads");
  const server = createServer((request, response) => {
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
    if (request.url === "/answer") {
      request.resume();
      response.end("yes", () => {
        Atomics.store(flags, 1, 1);
        Atomics.notify(flags, 1);
      });
    }
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

describe("a request to a member", () => {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const wires = new Wires({});
  let worker: Worker;
  let endpoint: string;

  before(async () => {
    worker = new Worker(member, { eval: true, workerData: flags });
    const [port] = (await once(worker, "message")) as [number];
    endpoint = `http://127.0.0.1:${port}`;
  });

  after(async () => {
    wires.close();
    await worker.terminate();
  });

  const question = (path: string, timeoutMs: number) => ({ endpoint, path, body: "{}", timeoutMs });

  test("ends without an answer when its time is over", async () => {
    assert.deepEqual(await wires.ask(question("/silence", 50)), {
      kind: "silence",
      sent: true,
      reason: "no answer within 50 ms",
    });
  });

  test("takes an answer that came while this process was held up, however late that is", async () => {
    // Opens a connection, so that the next request leaves at once.
    await wires.ask(question("/answer", 10_000));
    flags.fill(0);
    const timeoutMs = 200;
    const asked = performance.now();
    const outcome = wires.ask(question("/answer", timeoutMs));
    while (Atomics.load(flags, 0) === 0) {
      await turn();
    }
    Atomics.wait(flags, 1, 0);
    while (performance.now() - asked < timeoutMs + 20) {
      // Held up.
    }
    assert.deepEqual(await outcome, { kind: "answer", status: 200, text: "yes" });
  });
});
