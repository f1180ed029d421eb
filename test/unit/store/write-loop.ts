/** Writes endpoints until it is killed, and says of each when it is written: node write-loop.ts STATE-DIR */
import { writeSync } from "node:fs";
import { SqliteStore } from "../../../src/store/sqlite-store.ts";
import { endpointOf, networkOf } from "../../fakes/requests.ts";

const store = new SqliteStore(process.argv[2] ?? "");
store.putNetwork(networkOf());
for (let number = 1; number < 4096; number += 1) {
  store.putEndpoint(endpointOf({}, number));
  writeSync(1, `${number}\n`);
}
