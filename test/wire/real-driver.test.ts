/** The recorded sessions of three engines against the real driver over a pretended kernel. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Workshop } from "../../src/apply/workshop.ts";
import { createDriver } from "../../src/driver/index.ts";
import { AddressBook } from "../../src/ipam/address-book.ts";
import { Registry } from "../../src/store/registry.ts";
import { createApp, createServer } from "../../src/wire/server.ts";
import { listenOnPath } from "../../src/wire/socket.ts";
import { FakeKernel } from "../fakes/fake-kernel.ts";
import { FakeNames } from "../fakes/fake-names.ts";
import { FakeProcess } from "../fakes/fake-process.ts";
import { FakeStore } from "../fakes/fake-store.ts";
import { checkAnswer, post, type Wire } from "./replay.ts";
import { recordingLogger, temporaryDirectory } from "./room.ts";

/** What this version refuses in the recordings, and what follows from it: a null pool, unknown options. */
const expectedRefusals = ["FW1001", "FW3001", "FW5003", "FW5004"];

for (const engine of ["20.10.24", "26.1.5", "28.5.2"]) {
  test(`a session of engine ${engine} is served by the real driver and leaves nothing`, async (t) => {
    const { socketPath, registry, kernel, before } = await openDriver(t);
    const text = await readFile(new URL(`fixtures/engine-${engine}.jsonl`, import.meta.url), "utf8");
    const refusals: string[] = [];
    let joined = 0;
    for (const line of text.trim().split("\n")) {
      const { method, request } = JSON.parse(line) as { method?: string; request?: Wire | null };
      if (method === undefined || method.startsWith("/IpamDriver")) {
        continue;
      }
      const answer = await post(socketPath, method, request ?? null);
      const code = /^{"Err":.*?\[(FW\d{4}),/.exec(answer.text)?.[1];
      if (code === undefined) {
        checkAnswer(method, request ?? null, answer);
        joined += method.endsWith(".Join") ? 1 : 0;
      } else {
        refusals.push(code);
      }
    }
    assert.deepEqual(
      refusals.filter((code) => !expectedRefusals.includes(code)),
      [],
    );
    assert.ok(refusals.includes("FW3001"));
    assert.ok(joined >= 8, `${joined} sandboxes were joined`);
    assert.deepEqual(registry.endpoints(), []);
    assert.deepEqual(registry.networks(), []);
    await kernel.links.settled();
    assert.equal(withoutForwarding(kernel.transcript()), withoutForwarding(before));
  });
}

async function openDriver(t: TestContext) {
  const kernel = new FakeKernel();
  const before = kernel.transcript();
  const store = new FakeStore();
  const registry = new Registry(store);
  const { logger } = recordingLogger("error");
  const workshop = new Workshop({ registry, kernel: kernel.open(new FakeProcess()), log: logger });
  t.after(() => workshop.keeper[Symbol.dispose]());
  const driver = createDriver(
    { workshop, names: new FakeNames(), health: { isOff: false, begin: () => undefined } },
    Promise.resolve(),
  );
  const ipam = new AddressBook({ store, registry, log: logger, nowMs: Date.now });
  const socketPath = join(await temporaryDirectory(t), "plugin.sock");
  const listener = await listenOnPath(createServer(createApp({ driver, ipam, logger })), socketPath);
  t.after(() => listener.close(0));
  return { socketPath, registry, kernel, before };
}

function withoutForwarding(transcript: string): string {
  return transcript
    .split("\n")
    .filter((line) => !line.includes("forward"))
    .join("\n");
}
