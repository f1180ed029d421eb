import { after, before, describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createClusterStore } from "../../../src/cluster/create.ts";
import { clusterStoreContract } from "../../fakes/contract/cluster-store.ts";
import { type EtcdCluster, startEtcd } from "../../lab/etcd.ts";

describe("etcd", () => {
  let cluster: EtcdCluster;

  before(async () => {
    cluster = await startEtcd();
  });
  after(() => cluster[Symbol.asyncDispose]());

  clusterStoreContract(async () => {
    const [store, other] = [createClusterStore(cluster.settings), createClusterStore(cluster.settings)];
    return {
      store,
      other,
      passSeconds: (seconds) => delay(seconds * 1000),
      [Symbol.asyncDispose]: async () => {
        await store[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
        await cluster.etcdctl("del", "", "--prefix");
      },
    };
  });
});
