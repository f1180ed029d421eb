/** A whole daemon with etcd behind it, as an engine and an operator meet it. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fetchIpam, fetchIpamCheck, releaseAddresses } from "../../../src/api/client.ts";
import type { Config } from "../../../src/daemon/config-schema.ts";
import { type Daemon, startDaemon } from "../../../src/daemon/daemon.ts";
import { parsePrefix } from "../../../src/model/ip.ts";
import { type EtcdCluster, startEtcd } from "../../lab/etcd.ts";
import { waitFor } from "../../lab/wait.ts";

const subnet = parsePrefix("10.244.0.0/16");

async function start(directory: string, etcd: EtcdCluster): Promise<Daemon> {
  const { endpoints, ...rest } = etcd.settings;
  const config: Config = {
    pluginSocket: join(directory, "plugin.sock"),
    stateDir: join(directory, "state"),
    runDir: join(directory, "run"),
    logLevel: "error",
    logFormat: "json",
    dockerHost: "none",
    cluster: { etcd: { ...rest, endpoints: [...endpoints] }, hostName: "h1", ownershipHours: 24 },
    flatSpace: [subnet],
  };
  return await startDaemon(config, { version: "0", terminal: false, env: {} });
}

function ask(directory: string, method: string, content: object): Promise<Record<string, string>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, string>>();
  const call = request(
    { socketPath: join(directory, "plugin.sock"), method: "POST", path: `/IpamDriver.${method}` },
    (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(JSON.parse(text)));
    },
  );
  call.on("error", reject);
  call.end(JSON.stringify(content));
  return promise;
}

test("claims a block by etcd, goes on without it, also after a restart, and shows it all", async () => {
  const directory = await mkdtemp(join(tmpdir(), "fairway-cluster-"));
  await using etcd = await startEtcd();
  const control = join(directory, "run", "api.sock");
  let daemon = await start(directory, etcd);
  try {
    const { PoolID } = await ask(directory, "RequestPool", { Pool: subnet, Options: {}, V6: false });
    const gateway = { PoolID, Address: "", Options: { RequestAddressType: "com.docker.network.gateway" } };
    assert.equal((await ask(directory, "RequestAddress", gateway))["Address"], "10.244.0.1/16");
    const first = (await ask(directory, "RequestAddress", { PoolID, Address: "" }))["Address"] ?? "";
    const report = await fetchIpam(control);
    assert.deepEqual(
      report.hosts.map(({ name, alive }) => [name, alive]),
      [["h1", true]],
    );
    assert.equal(report.pools[0]?.blocks[0]?.used, 1);
    assert.match(
      await etcd.etcdctl("get", "--prefix", "/fairway/v1/blocks/", "--keys-only"),
      /10\.244\.0\.0-16\/10\.244\./,
    );
    await etcd.members[0]?.kill();
    await daemon[Symbol.asyncDispose]();
    daemon = await start(directory, etcd);
    const second = (await ask(directory, "RequestAddress", { PoolID, Address: "" }))["Address"] ?? "";
    assert.notEqual(second, first);
    assert.match((await fetchIpam(control)).storeError ?? "", /ECONNREFUSED/);
    etcd.members[0]?.start();
    await waitFor(async () => (await fetchIpam(control)).storeError === undefined, 20_000, "etcd to be asked again");
    const { disagreements } = await fetchIpamCheck(control);
    assert.equal(disagreements.length, 2, "no endpoint of ours has the two addresses");
    await releaseAddresses(control, { address: first.split("/")[0] ?? "" });
    assert.equal((await fetchIpamCheck(control)).disagreements.length, 1);
  } finally {
    await daemon[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
});
