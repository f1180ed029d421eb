import { describe } from "node:test";
import { hostPortsContract } from "../../fakes/contract/host-ports.ts";
import { linksContract } from "../../fakes/contract/links.ts";
import { nftContract } from "../../fakes/contract/nft.ts";
import { routesContract } from "../../fakes/contract/routes.ts";
import type { Subject } from "../../fakes/contract/subject.ts";
import { FakeKernel } from "../../fakes/fake-kernel.ts";
import { FakeProcess } from "../../fakes/fake-process.ts";

async function open(): Promise<Subject> {
  const world = new FakeKernel();
  return {
    kernel: world.open(new FakeProcess()),
    addForeignLink: async (name) => world.links.addForeign(name),
    addForeignRoute: async (destination, metric) => world.routes.addForeign({ destination, metric }),
    hasForeignRoute: async (destination) => world.routes.foreign.some((one) => one.destination === destination),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

describe("the fake kernel", () => {
  linksContract(open);
  nftContract(open);
  routesContract(open);
  hostPortsContract(open);
});
