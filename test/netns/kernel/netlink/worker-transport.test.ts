import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { createBridge, deleteLink, dumpLinks, getLink, setLinkUp } from "../../../../src/kernel/link/codec.ts";
import { parseLink } from "../../../../src/kernel/link/parse.ts";
import { message, NLM_F_ACK } from "../../../../src/kernel/netlink/message.ts";
import { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { isKernelError } from "../../../../src/kernel/ports.ts";
import { parseMac } from "../../../../src/model/ids.ts";
import { ipBatch, seeLink } from "../link/rig.ts";

const transport = new WorkerTransport();
after(() => transport[Symbol.asyncDispose]());

function bridge(name: string): Buffer {
  return createBridge({ name, mac: parseMac("02:11:22:33:44:55"), group: 5 });
}

test("acks come per message, with the kernel's words", async () => {
  const unknownKind = message(16, NLM_F_ACK | 0x600, Buffer.alloc(16), []);
  const acks = await transport.transact("route", [bridge("br1"), bridge("br1"), unknownKind, deleteLink("br1")]);
  assert.deepEqual(
    acks.map(({ index, errno }) => [index, errno]),
    [
      [0, undefined],
      [1, "EEXIST"],
      [2, "EOPNOTSUPP"],
      [3, undefined],
    ],
  );
  assert.equal(acks[2]?.detail, "Unknown device type");
});

test("a message without NLM_F_ACK is heard of only when it fails", async () => {
  const quiet = (index: number): Buffer => {
    const request = setLinkUp(index);
    request.writeUInt16LE(request.readUInt16LE(6) & ~NLM_F_ACK, 6);
    return request;
  };
  assert.deepEqual(await transport.transact("route", [quiet(1)]), []);
  const acks = await transport.transact("route", [quiet(1), quiet(4040)]);
  assert.deepEqual(
    acks.map(({ index, errno }) => [index, errno]),
    [[1, "ENODEV"]],
  );
});

test("no messages need no kernel", async () => {
  assert.deepEqual(await transport.transact("route", []), []);
});

test("a thousand messages in one datagram are all acknowledged", async () => {
  const acks = await transport.transact(
    "route",
    Array.from({ length: 1000 }, () => setLinkUp(1)),
  );
  assert.equal(acks.length, 1000);
  assert.ok(acks.every(({ index, errno }, position) => index === position && errno === undefined));
});

test("a dump gives messages with their headers", async () => {
  const links = (await transport.dump("route", dumpLinks())).map(parseLink);
  assert.ok(links.some(({ name, index }) => name === "lo" && index === 1));
});

test("dumps stay complete while links come and go", async () => {
  const stable = Array.from({ length: 40 }, (_, index) => `stable${index}`);
  ipBatch(stable.map((name) => `link add ${name} type veth peer name ${name}p`));
  const churn = spawn("sh", ["-c", "while :; do ip link add c0 type veth peer name c1; ip link delete c0; done"]);
  for (let round = 0; round < 100; round += 1) {
    const names = new Set((await transport.dump("route", dumpLinks())).map((reply) => parseLink(reply).name));
    assert.ok(stable.every((name) => names.has(name)));
  }
  const exited = once(churn, "exit");
  churn.kill("SIGKILL");
  await exited;
});

test("a request that is no dump gives its one answer", async () => {
  const [reply, ...more] = await transport.dump("route", getLink("lo"));
  assert.ok(reply);
  assert.equal(parseLink(reply).name, "lo");
  assert.deepEqual(more, []);
});

test("a refused request is an error with the errno, and the socket stays usable", async () => {
  await assert.rejects(transport.dump("route", getLink("nosuch")), (error) => isKernelError(error, "ENODEV"));
  assert.equal((await transport.dump("route", getLink("lo"))).length, 1);
});

test("requests of both families, at the same time, keep apart", async () => {
  const listTables = message((10 << 8) | 1, 0x300, Buffer.from([0, 0, 0, 0]), []);
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      index % 2 === 0 ? transport.dump("route", getLink("lo")) : transport.dump("netfilter", listTables),
    ),
  );
  assert.deepEqual(
    results.map(({ length }) => length),
    results.map((_, index) => (index % 2 === 0 ? 1 : 0)),
  );
});

test("a request that the worker cannot understand is an error, and the next one works", async () => {
  await assert.rejects(transport.run("claimPorts", {} as never), /kernel worker/);
  assert.equal((await transport.dump("route", getLink("lo"))).length, 1);
});

test("a thread that ends takes its requests with it; the next request starts another", async () => {
  const started = Promise.withResolvers<Worker>();
  process.once("worker", started.resolve);
  const own = new WorkerTransport();
  await own.dump("route", getLink("lo"));
  const worker = await started.promise;
  const exited = worker.terminate();
  const pending = own.dump("route", getLink("lo"));
  await assert.rejects(pending, (error) => isKernelError(error, "EPIPE"));
  await exited;
  assert.equal((await own.dump("route", getLink("lo"))).length, 1);
  await own[Symbol.asyncDispose]();
});

test("what waited past its deadline fails and is never done", async () => {
  const hasty = new WorkerTransport({ deadlineMs: 1 });
  const late = hasty.transact("route", [bridge("late1")]);
  await assert.rejects(late, (error) => isKernelError(error, "ETIMEDOUT"));
  await hasty[Symbol.asyncDispose]();
  assert.equal(seeLink("late1"), undefined);
});

test("disposal finishes what is queued, and is repeatable", async () => {
  const own = new WorkerTransport();
  const created = own.transact("route", [bridge("br9")]);
  await own[Symbol.asyncDispose]();
  assert.deepEqual(await created, [{ index: 0, detail: "" }]);
  await own[Symbol.asyncDispose]();
  assert.ok(seeLink("br9"));
});
