/** `fairway ipam` against a daemon's control socket: two hosts, one store. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createApi } from "../../../src/api/app.ts";
import { controlSocket, createProgram } from "../../../src/cli/program.ts";
import { FairwayError } from "../../../src/errors.ts";
import { IpamService } from "../../../src/ipam/service.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import type { IpamReport } from "../../../src/model/ipam-report.ts";
import { Registry } from "../../../src/store/registry.ts";
import { FakeCluster } from "../../fakes/fake-cluster.ts";
import { endpointOf, networkOf } from "../../fakes/requests.ts";
import { Host, ownershipMs, pass } from "../ipam/blocks/hosts.ts";
import { daemonWith } from "./daemon-status.ts";

const subnet = parsePrefix("10.244.0.0/24");

describe("fairway ipam", () => {
  let runDir: string;
  let server: Server;
  let cluster: FakeCluster;
  let one: Host;
  let two: Host;
  let registry: Registry;
  let printed: string[];
  let code: number;

  beforeEach(async () => {
    runDir = mkdtempSync(join(tmpdir(), "fairway-ipam-"));
    cluster = new FakeCluster();
    [one, two] = [new Host(cluster, "one"), new Host(cluster, "two")];
    registry = new Registry(one.disk);
    [printed, code] = [[], 0];
    const service = new IpamService({ book: one.book, registry, blocks: one.blocks });
    server = createServer(createApi(() => daemonWith([]), service)).listen(controlSocket(runDir));
    await once(server, "listening");
  });
  afterEach(() => {
    server.close();
    rmSync(runDir, { recursive: true });
  });

  async function fairway(...args: string[]): Promise<string> {
    printed = [];
    const program = createProgram({
      version: "0",
      env: {},
      print: (text) => printed.push(text),
      exitWith: (value) => {
        code = value;
      },
      runDaemon: () => Promise.reject(new Error("no daemon")),
    });
    await program.parseAsync(["node", "fairway", "ipam", ...args, "--run-dir", runDir]);
    return printed.join("\n");
  }

  test("show has pools, own and other blocks with their use, and leases", async () => {
    const poolOne = await one.pool("10.244.0.0/24", { borrow: "true" });
    const poolTwo = await two.pool("10.244.0.0/24");
    await one.address(poolOne, { name: "web" });
    await two.address(poolTwo);
    const [own = "", other = ""] = [one.book.blocksOf(subnet)?.[0], two.book.blocksOf(subnet)?.[0]];
    const text = await fairway("show");
    assert.match(text, new RegExp(`^this host: one \\(${one.blocks.membership.hostId}\\)\n`));
    assert.match(text, /^ {2}two +[0-9a-f-]{36} +alive$/m);
    assert.match(text, /^10\.244\.0\.0\/24 {3}blocks of \/26 {3}borrowing$/m);
    assert.match(text, new RegExp(`^ {2}${own} +one \\(this host\\) +1 of 64 in use +offers 10\\.244\\.`, "m"));
    assert.match(text, new RegExp(`^ {2}${other} +two$`, "m"));
    assert.match(text, /^ {2}10\.244\.0\.\d+ +container +web$/m);
    const report = JSON.parse(await fairway("show", "--json")) as IpamReport;
    assert.deepEqual([report.apiVersion, report.pools[0]?.blocks.length], ["v1", 2]);
  });

  test("show tells what this host knows while the store does not answer", async () => {
    const pool = await one.pool("10.244.0.0/24");
    await one.address(pool);
    one.client.unreachable = true;
    const text = await fairway("show");
    assert.match(text, /^the cluster store was not asked: the cluster store does not answer/m);
    assert.match(text, /\(this host\) +1 of 64 in use/);
  });

  test("check: silent when all agree, else each disagreement and exit code 1", async () => {
    const pool = await one.pool("10.244.0.0/24");
    const address = await one.address(pool);
    registry.putNetwork(networkOf({ ipv4: [{ subnet }], ipv6: [] }));
    registry.putEndpoint(endpointOf({ ipv4: parseInterfaceAddress(`${address}/24`) }));
    assert.equal(await fairway("check"), "leases, containers and the cluster store agree");
    assert.equal(code, 0);
    await one.address(pool);
    registry.putEndpoint(endpointOf({ ipv4: parseInterfaceAddress("10.244.0.250/24") }, 2));
    const key = cluster.list("/fairway/v1/blocks/")[0];
    assert.ok(key !== undefined);
    cluster.delete("operator", key.key, key.revision);
    const text = await fairway("check");
    assert.equal(code, 1);
    assert.match(text, /^address \S+ is handed out, and no container of fairway has it$/m);
    assert.match(text, /^address 10\.244\.0\.250 is a container's, and was not handed out$/m);
    assert.match(text, /^block \S+ is this host's by its disk, and not by the store$/m);
  });

  test("what a network keeps free is no disagreement and not released, on one host and on several", async () => {
    for (const [text, gateway, kept] of [
      ["10.244.0.0/24", "10.244.0.1", "10.244.0.9"],
      ["10.9.0.0/24", "10.9.0.1", "10.9.0.9"],
    ] as const) {
      const pool = await one.pool(text);
      await one.book.requestAddress({ poolId: pool, isGateway: true });
      await one.address(pool, { ip: kept });
      assert.equal(await fairway("check"), "leases, containers and the cluster store agree");
      for (const address of [gateway, kept]) {
        await assert.rejects(fairway("release", "--address", address), /cannot be released/);
      }
    }
  });

  test("release of an address: only one that no container has", async () => {
    const pool = await one.pool("10.244.0.0/24");
    const [used, leaked] = [await one.address(pool), await one.address(pool)];
    registry.putNetwork(networkOf({ ipv4: [{ subnet }], ipv6: [] }));
    registry.putEndpoint(endpointOf({ ipv4: parseInterfaceAddress(`${used}/24`) }));
    assert.equal(await fairway("release", "--address", leaked), "released 1 address");
    for (const [address, why] of [
      [used, /a container has it/],
      [leaked, /not handed it out/],
    ] as const) {
      await assert.rejects(fairway("release", "--address", address), (error) => {
        assert.ok(error instanceof FairwayError);
        assert.equal(error.code, "FW4004");
        assert.match(error.why ?? "", why);
        return true;
      });
    }
    await assert.rejects(fairway("release", "--address", "nonsense"), { code: "FW3003" });
  });

  test("release of a host: refused while it lives, then its blocks; of this host its empty ones", async () => {
    const [poolOne, poolTwo] = [await one.pool("10.244.0.0/24"), await two.pool("10.244.0.0/24")];
    await one.address(poolOne);
    await two.address(poolTwo);
    const block = two.book.blocksOf(subnet)?.[0];
    await assert.rejects(fairway("release", "--host", "two"), { code: "FW4004" });
    pass(cluster, [one, two], ownershipMs);
    await one.blocks.compare();
    assert.equal(await fairway("release", "--host", "two"), `released block ${block}`);
    const own = one.book.blocksOf(subnet)?.[0];
    assert.equal(await fairway("release", "--host", "one"), `kept block ${own}: addresses of it are in use or lent`);
    const both = ["--host", "a", "--address", "10.0.0.1"];
    for (const args of [[], both, ["--address", "10.0.0.1", "--force"], ["--force"]]) {
      await assert.rejects(fairway("release", ...args), { code: "FW1003" });
    }
  });

  test("a host that is alone has pools of its own, and no hosts to release", async () => {
    const pool = await one.pool("10.88.0.0/24", {});
    await one.address(pool);
    assert.match(await fairway("show"), /^10\.88\.0\.0\/24 {3}this host's alone$/m);
    const alone = new IpamService({ book: one.book, registry, blocks: undefined });
    await assert.rejects(alone.releaseHost("two", true), { code: "FW4004" });
  });
});
