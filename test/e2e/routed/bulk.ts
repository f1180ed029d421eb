/** Bytes in both directions, enough of them for full packets. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Place, Space } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";

const BULK = path.join(import.meta.dirname, "../host/bulk.mjs");
export const BULK_BYTES = 1_000_000;

let programs = 0;

/** @param enter what leads into the container's namespaces; empty for the space itself. It ends with these. */
export async function serveBulk(space: Space, enter: readonly string[], port: number): Promise<void> {
  programs += 1;
  const log = `routed-bulk-${programs}.log`;
  await space.spawn([...enter, process.execPath, BULK, "serve", String(port), String(BULK_BYTES)], log);
  const isReady = () => readFileSync(path.join(space.directory, log), "utf8").includes("ready");
  await waitFor(isReady, 20_000, `a bulk server on port ${port}`);
}

/** Sends as much as it gets. Returns how many bytes came back. */
export async function callBulk(from: Place, to: string, port: number): Promise<number> {
  return Number(await from.exec([process.execPath, BULK, "call", to, String(port), String(BULK_BYTES)]));
}
