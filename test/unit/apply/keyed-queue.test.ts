import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { KeyedQueue } from "../../../src/apply/keyed-queue.ts";

function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, passed: promise };
}

describe("a keyed queue", () => {
  test("runs one task per key at a time, in order, and other keys meanwhile", async () => {
    const queue = new KeyedQueue();
    const log: string[] = [];
    const first = gate();
    const a1 = queue.run("a", async () => {
      log.push("a1 begins");
      await first.passed;
      log.push("a1 ends");
    });
    const a2 = queue.run("a", async () => {
      log.push("a2");
    });
    await queue.run("b", async () => {
      log.push("b");
    });
    first.open();
    await Promise.all([a1, a2]);
    assert.deepEqual(log, ["a1 begins", "b", "a1 ends", "a2"]);
  });

  test("gives each caller its own result or error, and goes on after an error", async () => {
    const queue = new KeyedQueue();
    const failing = queue.run("a", async () => {
      throw new Error("no");
    });
    const next = queue.run("a", async () => 7);
    await assert.rejects(failing, /no/);
    assert.equal(await next, 7);
  });

  test("is idle when all that was queued has run, errors included", async () => {
    const queue = new KeyedQueue();
    let done = 0;
    for (let index = 0; index < 10; index += 1) {
      const task = async (): Promise<void> => {
        await undefined;
        done += 1;
        throw new Error("no");
      };
      queue.run(`key ${index % 3}`, task).catch(() => undefined);
    }
    await queue.idle();
    assert.equal(done, 10);
  });

  test("keeps nothing of a key whose tasks have run", async () => {
    const queue = new KeyedQueue();
    const collected: string[] = [];
    const registry = new FinalizationRegistry<string>((name) => collected.push(name));
    await (async () => {
      const big = { task: () => Promise.resolve() };
      registry.register(big, "task");
      await queue.run("a", () => big.task());
    })();
    await queue.idle();
    const collect = globalThis.gc;
    if (collect === undefined) {
      return;
    }
    for (let turn = 0; turn < 100 && collected.length === 0; turn += 1) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(collected, ["task"]);
  });

  test("never runs two tasks of a key at once, in any mixture", async () => {
    const tasks = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), turns: fc.nat(4), fails: fc.boolean() }));
    await fc.assert(
      fc.asyncProperty(tasks, async (all) => {
        const queue = new KeyedQueue();
        const running = new Map<string, number>();
        const order = new Map<string, number[]>();
        const run = ({ key, turns, fails }: (typeof all)[number], index: number): Promise<void> =>
          queue.run(key, async () => {
            assert.equal(running.get(key) ?? 0, 0);
            running.set(key, 1);
            for (let turn = 0; turn < turns; turn += 1) {
              await undefined;
            }
            running.set(key, 0);
            order.set(key, [...(order.get(key) ?? []), index]);
            if (fails) {
              throw new Error("no");
            }
          });
        const results = await Promise.allSettled(all.map(run));
        assert.deepEqual(
          results.map(({ status }) => status === "rejected"),
          all.map(({ fails }) => fails),
        );
        for (const indexes of order.values()) {
          assert.deepEqual(
            indexes,
            [...indexes].sort((a, b) => a - b),
          );
        }
      }),
    );
  });
});
