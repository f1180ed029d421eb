import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FairwayError } from "../../../src/errors.ts";
import { parseIfName } from "../../../src/model/ids.ts";
import { parseInterfaceAddress, parsePrefix } from "../../../src/model/ip.ts";
import { settingChange } from "../../../src/model/setting.ts";
import { planReachable } from "../../../src/plan/routed.ts";
import { SqliteStore, stateFileName } from "../../../src/store/sqlite-store.ts";
import {
  endpointId,
  endpointOf,
  ip,
  ipv6Pool,
  networkId,
  networkOf,
  port,
  routedEndpointOf,
  routedNetworkOf,
} from "../../fakes/requests.ts";

describe("the SQLite store", () => {
  let directory: string;
  let stores: SqliteStore[];
  const stateDir = (): string => join(directory, "state");
  const statePath = (): string => join(stateDir(), stateFileName);

  function open(): SqliteStore {
    const store = new SqliteStore(stateDir());
    stores.push(store);
    return store;
  }

  function edit(sql: string): void {
    const database = new DatabaseSync(statePath());
    database.exec(sql);
    database.close();
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "fairway-store-"));
    stores = [];
  });
  afterEach(() => {
    for (const store of stores) {
      store.close();
    }
    rmSync(directory, { recursive: true, force: true });
  });

  const fullNetwork = networkOf({
    internal: true,
    icc: false,
    masquerade: false,
    ipv6: [ipv6Pool],
    snatIpv4: ip("192.0.2.9"),
    snatIpv6: ip("2001:db8::9"),
    publishAddresses: [ip("192.0.2.1"), ip("::1")],
  });
  const fullEndpoint = endpointOf({
    state: "joined",
    ipv6: parseInterfaceAddress("fd00:88:1::2/64"),
    ifName: parseIfName("wan0", "interface"),
    sandboxKey: "/var/run/docker/netns/0123456789ab",
    publications: [
      {
        protocol: "sctp",
        hostAddress: ip("::"),
        hostPortFirst: 8000,
        hostPortLast: 8009,
        containerAddress: ip("fd00:88:1::2"),
        containerPort: 80,
      },
    ],
  });
  const { ipv4: _, ...onlyIpv6 } = endpointOf({ ipv6: parseInterfaceAddress("fd00:88:1::3/64") }, 2);

  test("keeps networks of flat addresses, and what their endpoints have", () => {
    const prefixes = ["10.0.0.0/8", "fc00::/7"].map((text) => parsePrefix(text));
    const network = routedNetworkOf({
      internal: true,
      icc: false,
      reachable: "all",
      announce: "healthy",
      egressNat: true,
      flatSpace: prefixes,
    });
    const claims = planReachable(routedNetworkOf(), routedEndpointOf(), [port("80:80"), port("8081:81/udp")]);
    const endpoint = routedEndpointOf({ state: "joined", sandboxKey: "/netns/1", claims, healthy: true });
    const store = open();
    store.putNetwork(network);
    store.putEndpoint(endpoint);
    assert.deepEqual(open().load(), { networks: [network], endpoints: [endpoint], settings: [] });
  });

  test("keeps what was changed on the host, the last change of each setting, and refuses a path out of /proc/sys", () => {
    const store = open();
    store.putSetting(settingChange(["net", "ipv4", "ip_forward"], "0", "1"));
    const second = settingChange(["net", "ipv6", "conf", "eth0.5", "accept_ra"], "1", "2");
    store.putSetting(settingChange(second.path, "0", "2"));
    store.putSetting(second);
    assert.deepEqual(open().load().settings, [settingChange(["net", "ipv4", "ip_forward"], "0", "1"), second]);
    store.putSetting(settingChange(["net", "..", "secret"], "0", "1"));
    assert.throws(() => open().load(), { code: "FW2004" });
  });

  test("gives back what was written, in another run", () => {
    const store = open();
    const networks = [fullNetwork, networkOf({ state: "creating" }, 2)];
    const endpoints = [fullEndpoint, onlyIpv6];
    for (const network of networks) {
      store.putNetwork(network);
    }
    for (const endpoint of endpoints) {
      store.putEndpoint(endpoint);
    }
    assert.deepEqual(open().load(), { networks, endpoints, settings: [] });
  });

  test("replaces a record that is written again, and keeps a network's endpoints then", () => {
    const store = open();
    store.putNetwork(networkOf({ state: "creating" }));
    store.putEndpoint(endpointOf());
    store.putNetwork(networkOf());
    store.putEndpoint(endpointOf({ state: "joined" }));
    assert.deepEqual(store.load(), {
      networks: [networkOf()],
      endpoints: [endpointOf({ state: "joined" })],
      settings: [],
    });
  });

  test("deletes a network with its endpoints, an endpoint alone, and what is unknown", () => {
    const store = open();
    store.putNetwork(networkOf());
    store.putNetwork(networkOf({}, 2));
    store.putEndpoint(endpointOf());
    store.putEndpoint(endpointOf({}, 2, 2));
    store.putEndpoint(endpointOf({}, 3, 2));
    store.deleteNetwork(networkId(1));
    store.deleteNetwork(networkId(9));
    store.deleteEndpoint(endpointId(2));
    store.deleteEndpoint(endpointId(9));
    assert.deepEqual(store.load(), { networks: [networkOf({}, 2)], endpoints: [endpointOf({}, 3, 2)], settings: [] });
  });

  test("refuses an endpoint without its network", () => {
    const store = open();
    assert.throws(() => store.putEndpoint(endpointOf()), /FOREIGN KEY/);
  });

  test("makes directory and file for root alone, and closes a directory that was open", () => {
    mkdirSync(stateDir(), { mode: 0o755 });
    open().putNetwork(networkOf());
    assert.equal(statSync(stateDir()).mode & 0o777, 0o700);
    for (const name of [stateFileName, `${stateFileName}-wal`, `${stateFileName}-shm`]) {
      assert.equal(statSync(join(stateDir(), name)).mode & 0o777, 0o600, name);
    }
  });

  test("refuses a file of a newer version with FW2006 and does not touch it", () => {
    open().close();
    stores = [];
    edit("PRAGMA user_version = 7");
    assert.throws(() => new SqliteStore(stateDir()), {
      code: "FW2006",
      message: /has format 7; this version reads up to 3$/,
    });
    const database = new DatabaseSync(statePath());
    assert.equal(database.prepare("PRAGMA user_version").get()?.["user_version"], 7);
    database.close();
  });

  const unusable: [string, () => void][] = [
    ["is a file", () => writeFileSync(stateDir(), "")],
    ["lies below a file", () => writeFileSync(join(directory, "state"), "")],
    ["holds a directory where the file should be", () => mkdirSync(statePath(), { recursive: true })],
    [
      "holds something that is no database",
      () => {
        mkdirSync(stateDir());
        writeFileSync(statePath(), "a text of more than sixteen bytes, as long as a header\n".repeat(40));
      },
    ],
  ];
  for (const [name, make] of unusable) {
    test(`answers FW2004 with the directory's name when it ${name}`, () => {
      make();
      const path = name.startsWith("lies") ? join(stateDir(), "below") : stateDir();
      assert.throws(
        () => new SqliteStore(path),
        (error) => error instanceof FairwayError && error.code === "FW2004" && error.message.includes(path),
      );
    });
  }

  const damage: [string, string][] = [
    ["cut", "UPDATE endpoints SET record = substr(record, 1, 40)"],
    ["of another shape", "UPDATE networks SET record = '{}'"],
    ["with an address that is none", "UPDATE networks SET record = replace(record, '10.88.1.0', '10.88.1.300')"],
    ["with a hostile interface name", "UPDATE networks SET record = replace(record, 'fwba', '../a')"],
    ["of an unknown mode", `UPDATE networks SET record = replace(record, '"bridge","id"', '"overlay","id"')`],
    ["with an impossible port", "UPDATE endpoints SET record = replace(record, ':8000,', ':80000,')"],
  ];
  for (const [name, sql] of damage) {
    test(`a record ${name} is refused at load, not believed`, () => {
      const store = open();
      store.putNetwork(fullNetwork);
      store.putEndpoint(fullEndpoint);
      edit(sql);
      assert.throws(() => store.load(), {
        code: "FW2004",
        message: /^record [ae]001\w+ in table \w+ of state\.sqlite cannot be read$/,
      });
    });
  }

  test("everything that was acknowledged is there after kill -9", async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("write-loop.ts", import.meta.url)), stateDir()], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let acknowledged = "";
    child.stdout.on("data", (chunk: Buffer) => {
      acknowledged += chunk.toString();
      if (acknowledged.split("\n").length > 200) {
        child.kill("SIGKILL");
      }
    });
    const [, signal] = (await once(child, "close")) as [number | null, string | null];
    assert.equal(signal, "SIGKILL", "it was killed in the middle");
    const count = acknowledged.split("\n").length - 1;
    assert.ok(count >= 200 && count < 4095);
    assert.ok(existsSync(statePath()));
    const ids = new Set(
      open()
        .load()
        .endpoints.map(({ id }) => id),
    );
    for (let number = 1; number <= count; number += 1) {
      assert.ok(ids.has(endpointId(number)), `endpoint ${number}`);
    }
    assert.ok(ids.size <= count + 1);
  });

  test("a commit waits for the disk", () => {
    open();
    const database = new DatabaseSync(statePath());
    assert.equal(database.prepare("PRAGMA journal_mode").get()?.["journal_mode"], "wal");
    database.close();
  });
});
