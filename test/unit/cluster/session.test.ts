/** How answers of members are taken, before a member that says what it is told to say. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createClusterStore } from "../../../src/cluster/create.ts";
import { EtcdStore } from "../../../src/cluster/etcd.ts";
import type { Revision } from "../../../src/cluster/port.ts";

type Answer = { readonly status?: number; readonly body: object | string } | "hang up";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const header = { revision: "7" };
const failed = (value?: string): Answer => {
  const kvs = value === undefined ? [] : [{ key: base64("/a"), value: base64(value), mod_revision: "6" }];
  return { body: { header, responses: [{ response_range: { header, kvs } }] } };
};

describe("the session with etcd", () => {
  let server: Server;
  let store: EtcdStore;
  let answers: Answer[];
  let asked: { readonly path: string; readonly token: string | undefined }[];

  beforeEach(async () => {
    answers = [];
    asked = [];
    server = createServer((request, response) => {
      request.resume();
      request.on("end", () => {
        asked.push({ path: request.url ?? "", token: request.headers.authorization });
        const answer: Answer = answers.shift() ?? { body: { header } };
        if (answer === "hang up") {
          request.socket.destroy();
          return;
        }
        response.statusCode = answer.status ?? 200;
        response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    store = open({});
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    server.close();
  });

  function open(more: { readonly user?: string; readonly password?: string }): EtcdStore {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    return new EtcdStore({ endpoints: [`http://127.0.0.1:${port}`], deadlineMs: 4000, ...more });
  }

  test("a write whose answer was lost is repeated, and what is found then is ours if it has our text", async () => {
    answers = ["hang up", failed("mine")];
    assert.deepEqual(await store.put("/a", "mine", "absent"), { key: "/a", value: "mine", revision: "6" });
    answers = ["hang up", failed("other")];
    assert.equal(await store.put("/a", "mine", "absent"), undefined);
    answers = [failed("mine")];
    assert.equal(await store.put("/a", "mine", "absent"), undefined, "nothing was lost: somebody else was first");
  });

  test("a deletion whose answer was lost has happened when the key is gone", async () => {
    answers = ["hang up", failed()];
    assert.equal(await store.delete("/a", "6" as Revision), true);
    answers = ["hang up", failed("other")];
    assert.equal(await store.delete("/a", "6" as Revision), false);
    answers = [failed()];
    assert.equal(await store.delete("/a", "6" as Revision), false);
  });

  test("elections and time-outs are waited for, whatever their code", async () => {
    answers = [2, 4, 8, 13, 14].map((code) => ({ status: 503, body: { code, message: "etcdserver: leader changed" } }));
    assert.equal(await store.get("/a"), undefined);
    assert.equal(asked.length, 6);
  });

  test("a full database and a failed precondition are not waited for", async () => {
    answers = [{ status: 429, body: { code: 8, message: "etcdserver: mvcc: database space exceeded" } }];
    await assert.rejects(store.put("/a", "1", "absent"), { code: "FW4002", why: "etcd's database is full" });
    answers = [{ status: 400, body: { code: 9, message: "etcdserver: odd" } }];
    await assert.rejects(store.get("/a"), { code: "FW4002" });
    assert.equal(asked.length, 2);
  });

  test("a token that is not known any more is renewed, once for all that use it", async () => {
    await using known = open({ user: "u", password: "p" });
    answers = [{ body: { token: "t1" } }];
    await known.get("/a");
    answers = [
      { status: 401, body: { code: 16, message: "etcdserver: invalid auth token" } },
      { body: { token: "t2" } },
    ];
    await known.get("/a");
    assert.deepEqual(
      asked.map(({ path, token }) => [path, token]),
      [
        ["/v3/auth/authenticate", undefined],
        ["/v3/kv/range", "t1"],
        ["/v3/kv/range", "t1"],
        ["/v3/auth/authenticate", undefined],
        ["/v3/kv/range", "t2"],
      ],
    );
  });

  test("a token that is never taken is an error, not a loop", async () => {
    await using known = open({ user: "u", password: "p" });
    const refused = { status: 401, body: { code: 16, message: "etcdserver: invalid auth token" } };
    answers = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? { body: { token: "t" } } : refused));
    await assert.rejects(known.get("/a"), { code: "FW4002", message: /invalid auth token/ });
    assert.ok(asked.length < 12);
  });

  test("an answer that is no JSON, or another JSON, is refused", async () => {
    answers = [{ body: "<html>" }];
    await assert.rejects(store.get("/a"), { code: "FW4002" });
    answers = [{ body: { kvs: 7 } }];
    await assert.rejects(store.get("/a"), { code: "FW4002", message: /is not understood/ });
    answers = [{ status: 404, body: "404 page not found\n" }];
    await assert.rejects(store.get("/a"), { code: "FW4002", why: /gateway is off/ });
  });

  test("a connection that is used again and again gathers no listeners", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    for (let count = 0; count < 30; count += 1) {
      await store.get("/a");
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", note);
    assert.deepEqual(warnings, []);
  });
});

describe("the settings of a cluster store", () => {
  for (const endpoint of ["192.0.2.1:2379", "ftp://192.0.2.1", "http://192.0.2.1/v3", "http://u:p@192.0.2.1", ""]) {
    test(`${JSON.stringify(endpoint)} is no endpoint: FW2005`, () => {
      assert.throws(() => createClusterStore({ endpoints: [endpoint] }), { code: "FW2005" });
    });
  }

  test("a file that cannot be read is named: FW2005", () => {
    const settings = { endpoints: ["https://192.0.2.1:2379"], caFile: "/nowhere/ca.crt" };
    assert.throws(() => createClusterStore(settings), {
      code: "FW2005",
      message: /caFile: cannot read \/nowhere\/ca.crt/,
    });
  });
});
