import { describe } from "node:test";
import { openKernel } from "../../src/daemon/kernel.ts";
import type { Kernel } from "../../src/kernel/ports.ts";
import { familyOf } from "../../src/model/ip.ts";
import { planRuleset } from "../../src/plan/firewall.ts";
import { hostPortsContract } from "../fakes/contract/host-ports.ts";
import { linksContract } from "../fakes/contract/links.ts";
import { nftContract } from "../fakes/contract/nft.ts";
import { routesContract } from "../fakes/contract/routes.ts";
import type { Subject } from "../fakes/contract/subject.ts";
import { createFakeLog } from "../fakes/fake-log.ts";
import { run } from "../lab/exec.ts";
import { ipHere } from "./kernel/sandbox.ts";

async function open(): Promise<Subject> {
  const opened = openKernel(createFakeLog().logger);
  /** What takes it away again. */
  const foreign: string[] = [];
  return {
    kernel: opened.kernel,
    addForeignLink: async (name) => {
      foreign.push(`link delete ${name}`);
      await ipHere(`link add ${name} type bridge`);
    },
    addForeignRoute: async (destination, metric) => {
      const route = `unreachable ${destination} metric ${metric} proto static`;
      foreign.push(`route delete ${route}`);
      await ipHere(`route add ${route}`);
    },
    hasForeignRoute: async (destination) => {
      const text = await run([
        "ip",
        `-${familyOf(destination) === "ipv4" ? 4 : 6}`,
        "route",
        "show",
        "proto",
        "static",
      ]);
      return text.includes(`unreachable ${destination} `);
    },
    [Symbol.asyncDispose]: async () => {
      await leaveClean(opened.kernel);
      await ipHere(...foreign);
      await opened[Symbol.asyncDispose]();
    },
  };
}

async function leaveClean(kernel: Kernel): Promise<void> {
  const owned = await kernel.links.listOwned();
  kernel.links.deleteLater(owned.map(({ name }) => name as Parameters<typeof kernel.links.isPresent>[0]));
  await kernel.links.settled();
  await kernel.routes.remove(await kernel.routes.listOwned());
  await kernel.nft.remove(planRuleset());
  for (const owner of ["a", "b", "c", "d"]) {
    await kernel.hostPorts.release(owner);
  }
}

describe("the real kernel", () => {
  linksContract(open);
  nftContract(open);
  routesContract(open);
  hostPortsContract(open);
});
