import assert from "node:assert/strict";
import { fstatSync, openSync } from "node:fs";
import { test } from "node:test";
import { HostPorts } from "../../../../src/kernel/host-port/host-ports.ts";
import type { ClaimedPorts } from "../../../../src/kernel/netlink/jobs.ts";
import type { WorkerTransport } from "../../../../src/kernel/netlink/worker-transport.ts";
import { KernelError } from "../../../../src/kernel/ports.ts";

type Run = WorkerTransport["run"];

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

test("sockets that come after the deadline are closed: nobody would release them", async () => {
  let answerLate: (result: ClaimedPorts) => void = () => assert.fail("no job was run");
  const run = ((_kind, _arguments, onLate) => {
    answerLate = onLate as (result: ClaimedPorts) => void;
    return Promise.reject(new KernelError("claimPorts", "ETIMEDOUT"));
  }) as Run;
  const hostPorts = new HostPorts({ run });
  await assert.rejects(hostPorts.claim("a", []));
  const fd = openSync("/dev/null", "r");
  answerLate({ ports: [80], sockets: [fd] });
  assert.equal(isOpen(fd), false);
});

test("each owner's sockets are closed once, and only they", async () => {
  const fds = [0, 1, 2].map(() => openSync("/dev/null", "r"));
  const answers = fds.map((fd) => ({ ports: [fd], sockets: [fd] }));
  const run = (() => Promise.resolve(answers.shift())) as unknown as Run;
  const hostPorts = new HostPorts({ run });
  await hostPorts.claim("a", []);
  await hostPorts.claim("b", []);
  await hostPorts.claim("a", []);
  await hostPorts.release("a");
  assert.deepEqual(fds.map(isOpen), [false, true, false]);
  await hostPorts.release("a");
  await hostPorts.release("unknown");
  await hostPorts.release("b");
  assert.deepEqual(fds.map(isOpen), [false, false, false]);
});
