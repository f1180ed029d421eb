import { startOutsideServer } from "./outside.ts";
import type { Progress } from "./progress.ts";
import type { Finding, Row } from "./row.ts";
import {
  createNetworks,
  NETWORKS,
  networkCommand,
  readScene,
  removeAll,
  type Scene,
  startContainers,
} from "./scene.ts";
import type { Stage } from "./stage.ts";

export interface Result extends Finding {
  readonly row: Row;
}

/** From an empty stage to one where every row can be tried. */
export async function setScene(stage: Stage, progress: Progress): Promise<Scene> {
  await progress.step("the driver: bin/fairway daemon", async () => {
    await stage.startDriver();
    await removeAll(stage);
  });
  await progress.step(
    `${Object.keys(NETWORKS).length} networks`,
    () => createNetworks(stage),
    () => ({ below: Object.keys(NETWORKS).map((name) => `docker ${networkCommand(name).join(" ")}`) }),
  );
  return await progress.step("containers, and a web server on the other host", async () => {
    await Promise.all([startContainers(stage), startOutsideServer(stage)]);
    return await readScene(stage);
  });
}

/** A row that throws has failed; the others are tried all the same. */
export async function tryRows(rows: readonly Row[], scene: Scene, progress: Progress): Promise<Result[]> {
  const results: Result[] = [];
  for (const [index, row] of rows.entries()) {
    const finding = await progress.step(`${index + 1}. ${row.title}`, () => tryRow(row, scene), conclude);
    results.push({ ...finding, row });
  }
  return results;
}

async function tryRow(row: Row, scene: Scene): Promise<Finding> {
  try {
    return await row.run(scene);
  } catch (error) {
    return { ok: false, got: error instanceof Error ? error.message : String(error) };
  }
}

function conclude({ ok, got, evidence }: Finding) {
  return { verdict: ok ? "ok" : "FAILED", below: [got, ...(evidence ?? [])] } as const;
}
