import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createLogger, type LogFormat } from "../../src/log.ts";

function record(format: LogFormat, level: "info" | "debug" = "info") {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  return { logger: createLogger({ level, format, stream }), lines, stream };
}

const hostile = "a\nb\u001b[31m\u0085\u2028\u009b";

test("JSON lines hold time, level, message and fields, and hostile text stays in its line", () => {
  const { logger, lines } = record("json");
  logger.info("driver call", { method: "Join", option: hostile });
  logger.debug("not asked for");
  assert.equal(lines.length, 1);
  const [line = ""] = lines;
  assert.match(line, /^[ -~]*\n$/);
  const { time, ...rest } = JSON.parse(line);
  assert.ok(!Number.isNaN(Date.parse(time)));
  assert.deepEqual(rest, { level: "info", msg: "driver call", method: "Join", option: hostile });
});

test("pretty lines are for people, and hostile text cannot reach their terminal", () => {
  const { logger, lines } = record("pretty");
  logger.warn("watch out", { name: "n1", ms: 1.5, option: hostile });
  const [line = ""] = lines;
  assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} warn {2}watch out name=n1 ms=1\.5 option="a\\nb/);
  assert.match(line.slice(0, -1), /^[^\p{Cc}\u2028]*$/u);
});

test("a stream that fails does not take the process along", () => {
  const { logger, stream } = record("json");
  stream.emit("error", new Error("EPIPE"));
  logger.info("still here");
});
