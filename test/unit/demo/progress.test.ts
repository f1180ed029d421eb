import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Progress, screenOf } from "../../demo/progress.ts";

function recorder(isTTY: boolean, env: Record<string, string> = {}) {
  const written: string[] = [];
  const screen = screenOf({ isTTY, write: (text) => written.push(text) }, env);
  return { progress: new Progress(screen), text: () => written.join("") };
}

/** Times differ from run to run. */
function timeless(text: string): string {
  return text.replace(/\d+\.\d s/g, "T");
}

describe("progress", () => {
  test("a pipe gets one plain line per step when it is over, and what was seen below it", async () => {
    const { progress, text } = recorder(false);
    await progress.step(
      "knock",
      async () => "open",
      (door) => ({ below: [door] }),
    );
    assert.equal(timeless(text()), "  T ok     knock (T)\n            open\n");
  });

  test("a step that throws is shown as failed", async () => {
    const { progress, text } = recorder(false);
    await assert.rejects(
      progress.step("knock", () => Promise.reject(new Error("nobody in"))),
      /nobody in/,
    );
    assert.match(text(), /FAILED knock/);
  });

  test("a terminal shows the step while it runs, and in colour when it is over", async () => {
    const { progress, text } = recorder(true);
    await progress.step("knock", async () => assert.match(text(), /\.\.\. knock$/));
    assert.ok(text().includes("\r\u001b[K"));
    assert.ok(text().includes("\u001b[32mok"));
  });

  test("after hush, steps that are still running say nothing", async () => {
    const { progress, text } = recorder(false);
    const step = progress.step("knock", () => Promise.reject(new Error("interrupted")));
    progress.hush();
    await assert.rejects(step);
    await assert.rejects(
      progress.step("knock again", async () => assert.fail("it was begun")),
      /not begun/,
    );
    assert.equal(text(), "");
  });

  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    test(`no colour with ${JSON.stringify(env)}`, async () => {
      const { progress, text } = recorder(true, env);
      await progress.step("knock", async () => undefined);
      assert.ok(!text().includes("\u001b[3"));
    });
  }
});
