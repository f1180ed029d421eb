/**
 * Shows what the driver does, with real containers and real requests:
 *
 *   npm run demo                        on a pretended machine of its own
 *   npm run demo -- --engine 26.1       the same with another engine
 *   npm run demo -- --on-this-host      with this machine's engine
 */
import { parseArgs } from "node:util";
import { type EngineVersion, engineVersions, isEngineVersion } from "../lab/engines.ts";
import { Interrupted, onSignal } from "./interrupt.ts";
import { openMachineStage } from "./machine-stage.ts";
import { setScene, tryRows } from "./play.ts";
import { openPrivateStage, removeOwnSpaces } from "./private-stage.ts";
import { Progress, screenOf, seconds } from "./progress.ts";
import { nextSteps, tableOf } from "./report.ts";
import { rows } from "./rows.ts";
import type { Stage } from "./stage.ts";

const LOG_TAIL_LINES = 12;
const USAGE = `usage: npm run demo [-- --engine ${engineVersions.join("|")} | --on-this-host]`;

interface Choice {
  readonly engine: EngineVersion;
  readonly onThisHost: boolean;
}

async function main(): Promise<number> {
  const choice = parseChoice();
  if (choice === undefined) {
    console.error(USAGE);
    return 2;
  }
  const progress = new Progress(screenOf(process.stdout, process.env));
  const interrupted = onSignal();
  const opened: { stage?: Stage } = {};
  const performing = perform(choice, progress, opened);
  try {
    return await Promise.race([performing, interrupted]);
  } catch (error) {
    progress.hush();
    progress.say(`\n${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof Interrupted) {
      return error.exitCode;
    }
    progress.say(logTail(opened.stage));
    return 1;
  } finally {
    // A pretended machine may lose its power at any moment; on this one, the step that is under way comes to its end.
    await (choice.onThisHost ? performing.catch(() => undefined) : undefined);
    await opened.stage?.close();
    await removeOwnSpaces();
  }
}

async function perform(choice: Choice, progress: Progress, opened: { stage?: Stage }): Promise<number> {
  const adopt = (stage: Stage) => {
    opened.stage = stage;
  };
  const stage = choice.onThisHost
    ? await openMachineStage(progress, adopt)
    : await openPrivateStage(choice.engine, progress);
  adopt(stage);
  const scene = await setScene(stage, progress);
  const results = await tryRows(rows, scene, progress);
  const failed = results.filter((result) => !result.ok).length;
  const verdict = failed === 0 ? `All ${results.length} as expected` : `${failed} of ${results.length} NOT as expected`;
  progress.say(`\n${tableOf(results, progress)}\n${verdict}, ${seconds(progress.elapsedMs)}.`);
  progress.say(failed === 0 ? `\n${nextSteps()}` : logTail(stage));
  return failed === 0 ? 0 : 1;
}

function parseChoice(): Choice | undefined {
  try {
    const { values } = parseArgs({
      options: {
        engine: { type: "string", default: engineVersions[0] },
        "on-this-host": { type: "boolean", default: false },
      },
    });
    return isEngineVersion(values.engine) ? { engine: values.engine, onThisHost: values["on-this-host"] } : undefined;
  } catch {
    return undefined;
  }
}

function logTail(stage: Stage | undefined): string {
  const lines = stage?.driverLog().trimEnd().split("\n").slice(-LOG_TAIL_LINES) ?? [];
  return lines.length === 0 ? "" : `\nThe driver's log ends:\n${lines.join("\n")}`;
}

process.exit(await main());
