import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { LinkMonitor } from "../../../../src/kernel/link/link-monitor.ts";
import { waitFor } from "../../../lab/wait.ts";
import { ip, ipBatch } from "./rig.ts";

const monitor = new LinkMonitor();
const gone: string[] = [];
let overruns = 0;
monitor.onLinkGone((name) => gone.push(name));
monitor.onOverrun(() => {
  overruns += 1;
});

/** Many deletions in one go. */
function burst(names: readonly string[]): void {
  ipBatch(names.map((name) => `link add ${name} group 77 type veth peer name ${name}p`));
  ip("link delete group 77");
}

before(() => monitor.ready());
after(() => monitor.close());

test("both ends of a deleted pair are reported", async () => {
  ip("link add fwv1 type veth peer name fwc1");
  ip("link delete fwv1");
  await waitFor(() => gone.includes("fwv1") && gone.includes("fwc1"), 5000, "the events");
});

test("a port that leaves its bridge, goes down or is renamed is not gone", async () => {
  gone.length = 0;
  ip("link add fwb2 type bridge");
  ip("link add fwv2 type veth peer name fwc2");
  ip("link set fwv2 master fwb2");
  ip("link set fwv2 up");
  ip("link set fwv2 nomaster");
  ip("link set fwv2 down");
  ip("link set fwv2 name fwv2b");
  ip("link delete fwb2");
  await waitFor(() => gone.includes("fwb2"), 5000, "the last event");
  assert.deepEqual(gone, ["fwb2"]);
});

test("a link that moves to another namespace is not gone", async () => {
  gone.length = 0;
  const other = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 60"]);
  await once(other.stdout, "data");
  ip("link add fwv3 type veth peer name fwc3");
  ip(`link set fwc3 netns ${other.pid}`);
  ip("link add marker type bridge");
  ip("link delete marker");
  await waitFor(() => gone.includes("marker"), 5000, "the last event");
  assert.deepEqual(gone, ["marker"]);
  other.kill();
});

test("deletions by the hundred are all reported, or their loss is", async () => {
  gone.length = 0;
  overruns = 0;
  const names = Array.from({ length: 50 }, (_, index) => `burst${index}`);
  burst(names);
  await waitFor(() => overruns > 0 || names.every((name) => gone.includes(name)), 5000, "the events");
});

test("the loss of events is reported, and later ones are seen again", async () => {
  const narrow = new LinkMonitor({ receiveBufferBytes: 1 });
  let isLost = false;
  const seen: string[] = [];
  narrow.onOverrun(() => {
    isLost = true;
  });
  narrow.onLinkGone((name) => seen.push(name));
  await narrow.ready();
  const names = Array.from({ length: 50 }, (_, index) => `narrow${index}`);
  await waitFor(
    () => {
      burst(names);
      return isLost;
    },
    20_000,
    "a loss",
  );
  await waitFor(
    () => {
      ip("link add marker type veth peer name marker2");
      ip("link delete marker");
      return seen.includes("marker");
    },
    5000,
    "an event after the loss",
  );
  await narrow.close();
});

test("a thread that ends by itself is replaced, and the gap is a loss of events", async () => {
  const started = Promise.withResolvers<Worker>();
  process.once("worker", started.resolve);
  const own = new LinkMonitor();
  const { promise: lost, resolve } = Promise.withResolvers<void>();
  own.onOverrun(resolve);
  await own.ready();
  await (await started.promise).terminate();
  // The monitor alone does not keep a process alive.
  const alive = setInterval(() => undefined, 1000);
  await lost;
  clearInterval(alive);
  await own.close();
});

test("close() ends the thread, and can be called again", async () => {
  const own = new LinkMonitor();
  await own.ready();
  await own.close();
  await own.close();
});
