import { describe } from "node:test";
import { clusterStoreContract } from "../../fakes/contract/cluster-store.ts";
import { FakeCluster } from "../../fakes/fake-cluster.ts";

describe("the fake cluster", () => {
  clusterStoreContract(async () => {
    const cluster = new FakeCluster();
    return {
      store: cluster.client("a"),
      other: cluster.client("b"),
      passSeconds: async (seconds) => {
        cluster.nowMs += seconds * 1000;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  });
});
