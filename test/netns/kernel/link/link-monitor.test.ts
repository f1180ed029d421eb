import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { LinkMonitor } from "../../../../src/kernel/link/link-monitor.ts";
import { waitFor } from "../../../lab/wait.ts";
import { ip } from "./rig.ts";

const monitor = new LinkMonitor();
const gone: string[] = [];
let overruns = 0;
monitor.onLinkGone((name) => gone.push(name));
monitor.onOverrun(() => {
  overruns += 1;
});

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
  const batch = Array.from({ length: 200 }, (_, index) => `link add burst${index} group 77 type bridge`).join("\n");
  execFileSync("ip", ["-batch", "-"], { input: `${batch}\nlink delete group 77\n` });
  await waitFor(() => overruns > 0 || gone.filter((name) => name.startsWith("burst")).length === 200, 5000, "events");
});

test("close() ends the thread, and can be called again", async () => {
  const own = new LinkMonitor();
  await own.ready();
  await own.close();
  await own.close();
});
