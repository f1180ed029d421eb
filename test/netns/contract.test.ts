import { describe } from "node:test";
import { openKernel } from "../../src/daemon/kernel.ts";
import type { Kernel } from "../../src/kernel/ports.ts";
import { planRuleset } from "../../src/plan/firewall.ts";
import { hostPortsContract } from "../fakes/contract/host-ports.ts";
import { linksContract } from "../fakes/contract/links.ts";
import { nftContract } from "../fakes/contract/nft.ts";
import type { Subject } from "../fakes/contract/subject.ts";
import { createFakeLog } from "../fakes/fake-log.ts";
import { ipHere } from "./kernel/sandbox.ts";

async function open(): Promise<Subject> {
  const opened = openKernel(createFakeLog().logger);
  const foreign: string[] = [];
  return {
    kernel: opened.kernel,
    addForeignLink: async (name) => {
      foreign.push(name);
      await ipHere(`link add ${name} type bridge`);
    },
    [Symbol.asyncDispose]: async () => {
      await leaveClean(opened.kernel);
      await ipHere(...foreign.map((name) => `link delete ${name}`));
      await opened[Symbol.asyncDispose]();
    },
  };
}

async function leaveClean(kernel: Kernel): Promise<void> {
  const owned = await kernel.links.listOwned();
  kernel.links.deleteLater(owned.map(({ name }) => name as Parameters<typeof kernel.links.isPresent>[0]));
  await kernel.links.settled();
  await kernel.nft.remove(planRuleset());
  for (const owner of ["a", "b", "c", "d"]) {
    await kernel.hostPorts.release(owner);
  }
}

describe("the real kernel", () => {
  linksContract(open);
  nftContract(open);
  hostPortsContract(open);
});
