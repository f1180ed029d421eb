import path from "node:path";
import { waitFor } from "../lab/wait.ts";
import { ask } from "./ask.ts";
import { OUTSIDE_PORT } from "./scene.ts";
import type { Stage } from "./stage.ts";

const SERVER = path.join(import.meta.dirname, "../lab/image-files/server.mjs");
const DEADLINE_MS = 15_000;

/** What containers find in the world outside. */
export async function startOutsideServer({ neighbour }: Stage): Promise<void> {
  await neighbour.spawn([process.execPath, SERVER, `tcp:${OUTSIDE_PORT}`]);
  const answers = async () => (await ask(neighbour, neighbour.ipv4, OUTSIDE_PORT)).answered;
  await waitFor(answers, DEADLINE_MS, "the other host's server");
}
