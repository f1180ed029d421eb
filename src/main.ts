#!/usr/bin/env node
/** The porch: the only place that knows process arguments, environment, exit codes and signals. */
import { readFileSync } from "node:fs";
import { type Command, CommanderError } from "commander";
import { createProgram } from "./cli/program.ts";
import type { Config } from "./daemon/config-schema.ts";
import { startDaemon } from "./daemon/daemon.ts";
import { type ErrorCode, explain, FairwayError } from "./errors.ts";

const exitCodes: Partial<Record<ErrorCode, number>> = {
  FW1003: 2,
  FW2005: 2,
  FW2007: 3,
  FW4101: 3,
  FW2002: 5,
  FW2003: 6,
};
const stopDeadlineMs = 4500;
let exitCode = 0;

async function main(): Promise<void> {
  const program = createProgram({
    version: packageVersion(),
    env: process.env,
    print: (text) => process.stdout.write(`${text}\n`),
    exitWith: (code) => {
      exitCode = code;
    },
    runDaemon,
  });
  throwInsteadOfExit(program);
  await program.parseAsync(process.argv);
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}

async function runDaemon(config: Config): Promise<void> {
  const daemon = await startDaemon(config, {
    version: packageVersion(),
    terminal: process.stdout.isTTY === true,
    env: process.env,
  });
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await Promise.race([stopped, daemon.failed]);
  // Traffic does not need us, so nothing justifies a slow end.
  setTimeout(() => process.exit(0), stopDeadlineMs).unref();
  await daemon[Symbol.asyncDispose]();
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}

main().then(
  () => process.exit(exitCode),
  (error: unknown) => {
    if (error instanceof CommanderError) {
      process.exit(error.exitCode === 0 ? 0 : 2);
    }
    process.stderr.write(`fairway: ${explain(error)}\n`);
    process.exit(error instanceof FairwayError ? (exitCodes[error.code] ?? 1) : 70);
  },
);
