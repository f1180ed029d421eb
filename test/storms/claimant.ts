/**
 * One host of kills.test.ts: the daemon's address management on a disk and a store that are real. Prints each address
 * that an engine would know of: node claimant.ts STATE_DIR NAME SUBNET COUNT ENDPOINT…
 */
import { mkdirSync, writeSync } from "node:fs";
import { openAddresses } from "../../src/daemon/addresses.ts";
import type { Config } from "../../src/daemon/config-schema.ts";
import { FairwayError } from "../../src/errors.ts";
import { parsePrefix } from "../../src/model/ip.ts";
import { Registry } from "../../src/store/registry.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { createFakeLog } from "../fakes/fake-log.ts";

/** As many containers as an engine starts at once. */
const parallel = 8;
const [stateDir = "", hostName = "", subnetText = "", count = "0", ...endpoints] = process.argv.slice(2);
const subnet = parsePrefix(subnetText);
const config: Config = {
  pluginSocket: "",
  stateDir,
  runDir: stateDir,
  logLevel: "error",
  logFormat: "json",
  dockerHost: "none",
  cluster: { etcd: { endpoints }, hostName, ownershipHours: 24 },
  flatSpace: [subnet],
};

/** In one system call, so that the parent has it or has it not when this process is killed. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

mkdirSync(stateDir, { recursive: true });
const store = new SqliteStore(stateDir);
const { logger: log } = createFakeLog();
const { book, begin } = openAddresses(config, { store, registry: new Registry(store), log });
begin(async () => undefined);
const known = book.pools().find(({ pool }) => pool.subnet === subnet)?.pool.id;
const poolId =
  known ?? (await untilAllowed(() => book.requestPool({ subnet, ipv6: false, options: new Map() }))).poolId;

let left = Number(count);
await Promise.all(
  Array.from({ length: parallel }, async () => {
    while (left > 0) {
      left -= 1;
      say(await untilAllowed(() => book.requestAddress({ poolId, isGateway: false })));
    }
  }),
);
process.exit(0);

/** The store has no quorum while it elects a leader: an engine would start the container again. */
async function untilAllowed<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof FairwayError && error.code === "FW4001")) {
        throw error;
      }
      say(`refused ${error.code}`);
    }
  }
}
