/** What is shown to people: the demo of mode routed comes to its end, and ends cleanly when it is stopped before. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { listRecords } from "../../lab/record.ts";

const DEMO = path.join(import.meta.dirname, "../../demo/routed/main.ts");
/** Hosts are being made by then. */
const UNDERWAY_MS = 1500;

describe("the demo of mode routed", () => {
  test("finds everything as expected and leaves nothing", async () => {
    const { code, stdout, stderr, left } = await play();
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /^web +\| vm:80 +\| tcp udp icmp \| 10\.60\.1\.2 .* \| yes$/m);
    assert.match(stdout, /^metal +\| web:9000 +\| refused .* \| yes: unpublished$/m);
    assert.match(stdout, /packets lost: 0 of \d+/);
    assert.match(stdout, /^All \d+ as expected, .* s\.$/m);
    assert.deepEqual(
      stdout.split("\n").filter((line) => line.length > 100),
      [],
    );
    assert.deepEqual(left, []);
  });

  test("stopped on the way, it says so and leaves nothing", async () => {
    const { code, stderr, left } = await play(UNDERWAY_MS);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /stopped by SIGINT/);
    assert.deepEqual(left, []);
  });
});

async function play(interruptAfterMs?: number) {
  const demo = spawn(process.execPath, [DEMO], { stdio: ["ignore", "pipe", "pipe"] });
  const output = Promise.all([text(demo.stdout), text(demo.stderr)]);
  const ended = once(demo, "exit");
  if (interruptAfterMs !== undefined) {
    await delay(interruptAfterMs);
    demo.kill("SIGINT");
  }
  const [code] = await ended;
  const [stdout, stderr] = await output;
  const left = listRecords().filter(({ owner }) => owner?.pid === demo.pid);
  return { code: code as number | null, stdout, stderr, left: left.map(({ name }) => name) };
}
