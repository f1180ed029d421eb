import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClusterStore, LeaseId, Revision } from "../../../src/cluster/port.ts";

/** An empty store as two hosts see it, and a way to let time pass. */
export interface StoreSubject extends AsyncDisposable {
  readonly store: ClusterStore;
  readonly other: ClusterStore;
  passSeconds(seconds: number): Promise<void>;
}

/** What every store that hosts share does. */
export function clusterStoreContract(open: () => Promise<StoreSubject>): void {
  describe("a cluster store", () => {
    test("has what was written, for everybody, and nothing else", async () => {
      await using subject = await open();
      const { store, other } = subject;
      assert.equal(await store.get("/fairway/a"), undefined);
      const written = await store.put("/fairway/a", "Grüße ☂\n", "absent");
      assert.deepEqual(await other.get("/fairway/a"), written);
      assert.deepEqual({ ...written, revision: "" }, { key: "/fairway/a", value: "Grüße ☂\n", revision: "" });
      assert.equal(await other.get("/fairway/"), undefined);
      assert.equal((await store.put("/fairway/empty", "", "absent"))?.value, "");
      assert.equal((await store.get("/fairway/empty"))?.value, "");
    });

    test("creates a key once", async () => {
      await using subject = await open();
      const first = await subject.store.put("/fairway/a", "1", "absent");
      assert.equal(await subject.other.put("/fairway/a", "2", "absent"), undefined);
      assert.deepEqual(await subject.store.get("/fairway/a"), first);
    });

    test("of many that create a key at the same time, one succeeds", async () => {
      await using subject = await open();
      const stores = [subject.store, subject.other];
      const results = await Promise.all(
        Array.from({ length: 20 }, async (_, at) => await stores[at % 2]?.put("/fairway/a", `${at}`, "absent")),
      );
      const winners = results.filter((result) => result !== undefined);
      assert.equal(winners.length, 1);
      assert.deepEqual(await subject.store.get("/fairway/a"), winners[0]);
    });

    test("changes a key only from the revision that is named", async () => {
      await using subject = await open();
      const { store, other } = subject;
      const first = await store.put("/fairway/a", "1", "absent");
      const second = await other.put("/fairway/a", "2", revisionOf(first));
      assert.ok(Number(second?.revision) > Number(first?.revision));
      assert.equal(await store.put("/fairway/a", "3", revisionOf(first)), undefined);
      assert.deepEqual(await store.get("/fairway/a"), second);
      assert.equal(await store.put("/fairway/b", "1", revisionOf(second)), undefined, "there is no such key");
    });

    test("deletes a key only at the revision that is named, and a key that comes again is another", async () => {
      await using subject = await open();
      const { store, other } = subject;
      const first = await store.put("/fairway/a", "1", "absent");
      const second = await store.put("/fairway/a", "2", revisionOf(first));
      assert.equal(await other.delete("/fairway/a", revisionOf(first)), false);
      assert.equal(await other.delete("/fairway/a", revisionOf(second)), true);
      assert.equal(await store.get("/fairway/a"), undefined);
      const third = await store.put("/fairway/a", "1", "absent");
      assert.equal(await other.delete("/fairway/a", revisionOf(second)), false);
      assert.deepEqual(await store.get("/fairway/a"), third);
    });

    test("lists a prefix in order, all of it and nothing beyond", async () => {
      await using subject = await open();
      for (const key of ["/fairway/b/2", "/fairway/b/10", "/fairway/b", "/fairway/c/1", "/fairway/b/\u{10ffff}"]) {
        await subject.store.put(key, key, "absent");
      }
      const keys = (await subject.other.list("/fairway/b/")).map(({ key }) => key);
      assert.deepEqual(keys, ["/fairway/b/10", "/fairway/b/2", "/fairway/b/\u{10ffff}"]);
      assert.deepEqual(await subject.other.list("/fairway/x/"), []);
    });

    test("lists more keys than fit into one answer", async () => {
      await using subject = await open();
      const keys = Array.from({ length: 2050 }, (_, at) => `/fairway/many/${String(at).padStart(5, "0")}`);
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => subject.store.put(key, key, "absent")));
      }
      const entries = await subject.store.list("/fairway/many/");
      assert.deepEqual(
        entries.map(({ key, value }) => [key, value]),
        keys.map((key) => [key, key]),
      );
    });

    test("takes a key away when its lease was not renewed, and keeps it while it is", async () => {
      await using subject = await open();
      const { store } = subject;
      const lease = await store.grantLease(3);
      await store.put("/fairway/alive", "1", "absent", { lease });
      for (let round = 0; round < 3; round += 1) {
        await subject.passSeconds(1.5);
        assert.equal(await store.renewLease(lease), true);
      }
      assert.equal((await store.get("/fairway/alive"))?.value, "1");
      await subject.passSeconds(8);
      assert.equal(await store.get("/fairway/alive"), undefined);
      assert.equal(await store.renewLease(lease), false);
    });

    test("writes nothing with a lease that is over or never was", async () => {
      await using subject = await open();
      assert.equal(await subject.store.renewLease("424242" as LeaseId), false);
      assert.equal(await subject.store.put("/fairway/a", "1", "absent", { lease: "424242" as LeaseId }), undefined);
      assert.equal(await subject.store.get("/fairway/a"), undefined);
    });
  });
}

function revisionOf(entry: { readonly revision: Revision } | undefined): Revision {
  assert.ok(entry !== undefined);
  return entry.revision;
}
