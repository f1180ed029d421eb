import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { lockNetwork } from "../../../src/daemon/lock.ts";

const lockModule = new URL("../../../src/daemon/lock.ts", import.meta.url).href;
const holdLock = `import { lockNetwork } from ${JSON.stringify(lockModule)};
  await lockNetwork();
  process.stdout.write("locked");
  setInterval(() => undefined, 1000);`;

function spawnHolder(...prefix: readonly string[]): ReturnType<typeof spawn> {
  const [command = "", ...args] = [...prefix, process.execPath, "--input-type=module", "--eval", holdLock];
  return spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
}

describe("the lock on a network namespace", () => {
  test("is held once, and is free again when it is given back", async () => {
    const lock = await lockNetwork();
    await assert.rejects(lockNetwork(), { code: "FW2003", message: "another fairway daemon is running on this host" });
    await lock[Symbol.asyncDispose]();
    await (await lockNetwork())[Symbol.asyncDispose]();
  });

  test("is free again when its holder is killed", async () => {
    const child = spawnHolder();
    await once(child.stdout ?? child, "data");
    await assert.rejects(lockNetwork(), { code: "FW2003" });
    child.kill("SIGKILL");
    await once(child, "close");
    await (await lockNetwork())[Symbol.asyncDispose]();
  });

  test("is another one in another network namespace", async () => {
    await using _lock = await lockNetwork();
    const child = spawnHolder("unshare", "--net", "--");
    await once(child.stdout ?? child, "data");
    child.kill("SIGKILL");
    await once(child, "close");
  });
});
