import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Workshop } from "../../../src/apply/workshop.ts";
import { planBridge, planBridgeElements, planBridgePort } from "../../../src/plan/bridge.ts";
import type { Step } from "../../../src/plan/steps.ts";
import { Registry } from "../../../src/store/registry.ts";
import { FakeKernel } from "../../fakes/fake-kernel.ts";
import { createFakeLog, type FakeLog } from "../../fakes/fake-log.ts";
import { FakeProcess } from "../../fakes/fake-process.ts";
import { FakeStore } from "../../fakes/fake-store.ts";
import { endpointOf, networkOf } from "../../fakes/requests.ts";

interface Bench {
  readonly kernel: FakeKernel;
  readonly process: FakeProcess;
  readonly log: FakeLog;
  readonly workshop: Workshop;
}

async function bench(): Promise<Bench> {
  const kernel = new FakeKernel();
  const process = new FakeProcess();
  const log = createFakeLog();
  const registry = new Registry(new FakeStore());
  const workshop = new Workshop({ registry, kernel: kernel.open(process), log: log.logger });
  await workshop.firewall.install();
  return { kernel, process, log, workshop };
}

const network = networkOf();
const endpoint = endpointOf();
const steps: readonly Step[] = [
  { do: "enableForwarding", families: ["ipv4"] },
  { do: "changeElements", add: planBridgeElements(network), remove: [] },
  { do: "admitForwarding" },
  { do: "ensureBridge", spec: planBridge(network) },
  {
    do: "addVeth",
    spec: planBridgePort(network, endpoint, { bridgedIpv4Filtered: false, bridgedIpv6Filtered: false }),
  },
  { do: "forgetFlows", filters: [{ kind: "address", address: "10.88.1.2" as never }] },
];
const portOfStep = [
  "sysctls.write",
  "nft.change",
  "engineFirewall.admit",
  "links.ensureBridge",
  "links.addVeth",
  "conntrack.forgetLater",
] as const;
const withoutSettings = (kernel: FakeKernel): string =>
  kernel
    .transcript()
    .replace(/^(sysctl|DOCKER).*$/gm, "")
    .trim();

describe("applyOrUndo", () => {
  for (const [index, port] of portOfStep.entries()) {
    test(`when step ${index + 1} (${port}) fails, the ones before it are taken back and the failure is thrown`, async () => {
      const { kernel, process, workshop } = await bench();
      const before = withoutSettings(kernel);
      process.failNext(port, "ENOMEM");
      let forgotten = 0;
      const forget = (): void => {
        forgotten += 1;
      };
      await assert.rejects(workshop.applier.applyOrUndo(steps, { forget }), { errno: "ENOMEM" });
      await kernel.links.settled();
      assert.equal(withoutSettings(kernel), before);
      assert.equal(forgotten, 1);
    });
  }

  test("when all succeed nothing is forgotten", async () => {
    const { kernel, workshop } = await bench();
    await workshop.applier.applyOrUndo(steps, { forget: () => assert.fail("forgotten") });
    assert.equal(kernel.links.links.size, 2);
  });

  test("an abort between two steps takes the first ones back", async () => {
    const { kernel, workshop } = await bench();
    const controller = new AbortController();
    const aborting = { ...planBridge(network), name: planBridge(network).name };
    const before = withoutSettings(kernel);
    const done = workshop.applier.applyOrUndo([...steps.slice(0, 3), { do: "ensureBridge", spec: aborting }], {
      signal: controller.signal,
      forget: () => undefined,
    });
    controller.abort(new Error("too late"));
    await assert.rejects(done, /too late/);
    await kernel.links.settled();
    assert.equal(withoutSettings(kernel), before);
  });

  test("the first failure is thrown even when forgetting and undoing fail too, and those are logged", async () => {
    const { process, log, workshop } = await bench();
    process.failNext("links.ensureBridge", "ENOMEM");
    const forget = (): void => {
      process.failNext("nft.change", "EIO");
      throw new Error("disk full");
    };
    await assert.rejects(workshop.applier.applyOrUndo(steps, { forget }), { errno: "ENOMEM" });
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith("error")),
      [
        "error could not take back a record: Error: disk full",
        "error step failed: KernelError: nft.change: EIO (injected)",
      ],
    );
  });

  test("the record is forgotten before anything is taken back", async () => {
    const { process, kernel, workshop } = await bench();
    process.failNext("links.ensureBridge", "ENOMEM");
    let elements = 0;
    const forget = (): void => {
      elements = kernel.nft.elements().length;
    };
    await assert.rejects(workshop.applier.applyOrUndo(steps, { forget }));
    assert.equal(elements, planBridgeElements(network).length);
    assert.equal(kernel.nft.elements().length, 0);
  });
});

describe("applyAll", () => {
  test("carries out the others when one fails, and logs that", async () => {
    const { kernel, process, log, workshop } = await bench();
    process.failNext("nft.change", "ENOMEM");
    await workshop.applier.applyAll(steps);
    assert.equal(kernel.links.links.size, 2);
    assert.deepEqual(
      log.lines.filter((line) => line.startsWith("error")),
      ["error step failed: KernelError: nft.change: ENOMEM (injected)"],
    );
  });
});
