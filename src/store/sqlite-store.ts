import { chmodSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FairwayError } from "../errors.ts";
import type { HostIdentity, OwnedBlock } from "../model/block.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { EndpointId, NetworkId } from "../model/ids.ts";
import type { IpAddress, Prefix } from "../model/ip.ts";
import type { Network } from "../model/network.ts";
import type { AddressPool, Lease } from "../model/pool.ts";
import type { HostSetting } from "../model/setting.ts";
import type { BlockStorePort, PoolStorePort, StoredPools, StoredState, StorePort } from "./port.ts";
import {
  parseBlockRecord,
  parseEndpointRecord,
  parseIdentityRecord,
  parseLeaseRecord,
  parseNetworkRecord,
  parsePoolRecord,
  parseSettingRecord,
} from "./records.ts";

type Table = "networks" | "endpoints" | "settings" | "pools" | "leases" | "blocks" | "identity";

export const stateFileName = "state.sqlite";
/**
 * 2 has pools, leases and settings, 3 blocks and the host's identity; an older file gets the tables that it lacks. Fields
 * that were added to records are optional.
 */
const schemaVersion = 3;

const schema = `
  CREATE TABLE IF NOT EXISTS networks (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS pools (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS leases (
    id TEXT PRIMARY KEY,
    pool_id TEXT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS settings (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS blocks (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS identity (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS leases_by_pool ON leases (pool_id);
  CREATE INDEX IF NOT EXISTS endpoints_by_network ON endpoints (network_id);
`;

/** One SQLite file below the state directory; every change is on disk before it is acted on. */
export class SqliteStore implements StorePort, PoolStorePort, BlockStorePort {
  readonly #database: DatabaseSync;
  readonly #putNetwork: StatementSync;
  readonly #putEndpoint: StatementSync;
  readonly #deleteNetwork: StatementSync;
  readonly #deleteEndpoint: StatementSync;
  readonly #putPool: StatementSync;
  readonly #putLease: StatementSync;
  readonly #putSetting: StatementSync;
  readonly #putBlock: StatementSync;
  readonly #putIdentity: StatementSync;
  readonly #deleteBlock: StatementSync;
  readonly #deletePool: StatementSync;
  readonly #deleteLease: StatementSync;

  /** @throws FairwayError FW2004 when the directory cannot be used, FW2006 when a newer version wrote the file. */
  constructor(stateDir: string) {
    this.#database = openDatabase(stateDir);
    const put = (table: string, columns: string, values: string) =>
      this.#database.prepare(
        `INSERT INTO ${table} (${columns}) VALUES (${values}) ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
      );
    const remove = (table: string) => this.#database.prepare(`DELETE FROM ${table} WHERE id = ?`);
    this.#putNetwork = put("networks", "id, record", "?, ?");
    this.#putEndpoint = put("endpoints", "id, network_id, record", "?, ?, ?");
    this.#putPool = put("pools", "id, record", "?, ?");
    this.#putLease = put("leases", "id, pool_id, record", "?, ?, ?");
    this.#putSetting = put("settings", "id, record", "?, ?");
    this.#putBlock = put("blocks", "id, record", "?, ?");
    this.#putIdentity = put("identity", "id, record", "?, ?");
    this.#deleteBlock = remove("blocks");
    this.#deleteNetwork = remove("networks");
    this.#deleteEndpoint = remove("endpoints");
    this.#deletePool = remove("pools");
    this.#deleteLease = remove("leases");
  }

  load(): StoredState {
    return {
      networks: this.#records("networks", parseNetworkRecord),
      endpoints: this.#records("endpoints", parseEndpointRecord),
      settings: this.#records("settings", parseSettingRecord),
    };
  }

  putNetwork(network: Network): void {
    this.#putNetwork.run(network.id, JSON.stringify(network));
  }

  putEndpoint(endpoint: Endpoint): void {
    this.#putEndpoint.run(endpoint.id, endpoint.networkId, JSON.stringify(endpoint));
  }

  putSetting(setting: HostSetting): void {
    this.#putSetting.run(setting.name, JSON.stringify(setting));
  }

  deleteNetwork(id: NetworkId): void {
    this.#deleteNetwork.run(id);
  }

  deleteEndpoint(id: EndpointId): void {
    this.#deleteEndpoint.run(id);
  }

  loadPools(): StoredPools {
    return {
      pools: this.#records("pools", parsePoolRecord),
      leases: this.#records("leases", parseLeaseRecord),
    };
  }

  putPool(pool: AddressPool): void {
    this.#putPool.run(pool.id, JSON.stringify(pool));
  }

  deletePool(id: string): void {
    this.#deletePool.run(id);
  }

  putLease(lease: Lease): void {
    this.#putLease.run(leaseId(lease.poolId, lease.address), lease.poolId, JSON.stringify(lease));
  }

  deleteLease(poolId: string, address: IpAddress): void {
    this.#deleteLease.run(leaseId(poolId, address));
  }

  loadBlocks(): readonly OwnedBlock[] {
    return this.#records("blocks", parseBlockRecord);
  }

  putBlock(block: OwnedBlock): void {
    this.#putBlock.run(block.block, JSON.stringify(block));
  }

  deleteBlock(block: Prefix): void {
    this.#deleteBlock.run(block);
  }

  loadIdentity(): HostIdentity | undefined {
    return this.#records("identity", parseIdentityRecord)[0];
  }

  putIdentity(identity: HostIdentity): void {
    this.#putIdentity.run("self", JSON.stringify(identity));
  }

  close(): void {
    this.#database.close();
  }

  #records<T>(table: Table, parse: (json: string) => T): T[] {
    const rows = this.#database.prepare(`SELECT id, record FROM ${table}`).all();
    return rows.map((row) => {
      try {
        return parse(String(row["record"]));
      } catch (error) {
        throw damaged(table, String(row["id"]), error);
      }
    });
  }
}

function leaseId(poolId: string, address: IpAddress): string {
  return `${poolId} ${address}`;
}

function damaged(table: string, id: string, cause: unknown): FairwayError {
  return new FairwayError({
    code: "FW2004",
    what: `record ${id.slice(0, 64)} in table ${table} of ${stateFileName} cannot be read`,
    why: "the file was damaged or edited; guessing could lose networks, so nothing was changed",
    fix: "restore the file from a backup, or delete that row with sqlite3 and start again",
    cause,
  });
}

function openDatabase(stateDir: string): DatabaseSync {
  const path = join(stateDir, stateFileName);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if ((statSync(stateDir).mode & 0o077) !== 0) {
      chmodSync(stateDir, 0o700);
    }
    const database = new DatabaseSync(path, { timeout: 2000 });
    chmodSync(path, 0o600);
    // FULL: a commit is on the disk when it returns, so that a power cut cannot take back an intent already acted on.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    refuseNewer(database, path);
    database.exec(`BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT;`);
    return database;
  } catch (error) {
    if (error instanceof FairwayError) {
      throw error;
    }
    throw new FairwayError({
      code: "FW2004",
      what: `cannot use state directory ${stateDir}: ${error instanceof Error ? error.message : String(error)}`,
      why: "fairway records every intent there before it changes the kernel",
      fix: "make it a writable directory of root on a local disk, or choose another with --state-dir",
      cause: error,
    });
  }
}

function refuseNewer(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > schemaVersion) {
    database.close();
    throw new FairwayError({
      code: "FW2006",
      what: `state file ${path} has format ${version}; this version reads up to ${schemaVersion}`,
      why: "a newer fairway wrote it, and guessing could lose networks",
      fix: "start the newer version again",
    });
  }
}
