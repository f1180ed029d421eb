/** The store's members on the fabric: hosts reach them, and they survive what tests do to them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type EtcdMembers, startEtcd } from "../lab/etcd-members.ts";
import { type Fabric, openFabric } from "../lab/fabric.ts";
import { waitFor } from "../lab/wait.ts";

describe("etcd on the fabric", () => {
  let fabric: Fabric;
  let etcd: EtcdMembers;

  before(async () => {
    fabric = await openFabric({ engine: false });
    etcd = await startEtcd(fabric);
  });

  after(() => fabric[Symbol.asyncDispose]());

  test("hosts read from every member what they wrote to one, over both families", async () => {
    await write("one", "1");
    for (const endpoint of [...etcd.endpoints, ...etcd.endpoints6]) {
      assert.equal(await read("one", endpoint), "1", endpoint);
    }
  });

  test("another member leads when the leader is killed, and the killed one catches up", async () => {
    const first = await etcd.leader();
    const other = etcd.endpoints[(first + 1) % 3] ?? "";
    await etcd.member(first).kill();
    await waitFor(() => write("two", "2", other), 20_000, "a new leader to take a write");
    assert.notEqual(await etcd.leader(), first);
    await etcd.member(first).start();
    assert.equal(await read("two", etcd.endpoints[first] ?? ""), "2");
  });

  test("one of three is no quorum, and what was written is there when all are back", async () => {
    await write("three", "3");
    await etcd.killAll();
    await etcd.member(0).start({ isAlone: true });
    await assert.rejects(write("three", "4"));
    await Promise.all([1, 2].map((index) => etcd.member(index).start()));
    await waitFor(() => etcd.member(0).isHealthy(), 20_000, "the quorum");
    assert.equal(await read("three", etcd.endpoints[2] ?? ""), "3");
  });

  async function write(key: string, value: string, endpoint = etcd.endpoints[0] ?? ""): Promise<true> {
    await call(`${endpoint}/v3/kv/put`, { key: base64(key), value: base64(value) });
    return true;
  }

  async function read(key: string, endpoint: string): Promise<string | undefined> {
    const answer = await call(`${endpoint}/v3/kv/range`, { key: base64(key) });
    const { kvs } = JSON.parse(answer) as { readonly kvs?: readonly { readonly value: string }[] };
    return kvs === undefined ? undefined : Buffer.from(kvs[0]?.value ?? "", "base64").toString();
  }

  function call(url: string, body: object): Promise<string> {
    const argv = ["curl", "-sS", "-f", "-g", "--noproxy", "*", "--max-time", "3", "-d", JSON.stringify(body), url];
    return fabric.host(0).exec(argv);
  }
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
