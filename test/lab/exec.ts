import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import { killTree } from "./processes.ts";

const DEFAULT_TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;
const STDERR_TAIL_CHARS = 2000;

export interface RunOptions {
  readonly stdin?: string;
  /** A file as input, instead of `stdin`. */
  readonly stdinFile?: string;
  /** Default 60 s. The program and its children are killed when it is over. */
  readonly timeoutMs?: number;
  /** Added to this process's environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface RunResult {
  readonly argv: readonly string[];
  /** Exit code; -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** A program that ended badly: argv, exit code and the end of its stderr, all in the message. */
export class RunError extends Error {
  readonly result: RunResult;

  constructor(result: RunResult) {
    const how = result.timedOut ? "ran out of time" : `exit code ${result.code}`;
    const said = (result.stderr.trim() === "" ? result.stdout : result.stderr).trim().slice(-STDERR_TAIL_CHARS);
    super(`${result.argv.join(" ")}: ${how}${said === "" ? "" : `\n  ${said.replaceAll("\n", "\n  ")}`}`);
    this.name = "RunError";
    this.result = result;
  }
}

/**
 * Runs a program without a shell and returns its stdout.
 * @throws RunError on a non-zero exit, a signal or the timeout.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.code !== 0) {
    throw new RunError(result);
  }
  return result.stdout;
}

/** Like run, but a bad end is a result. Throws only when the program cannot be started. */
export async function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [command, ...args] = argv;
  const input = options.stdinFile === undefined ? "pipe" : openSync(options.stdinFile, "r");
  const child = spawn(command ?? "", args, {
    stdio: [input, "pipe", "pipe"],
    env: environment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (input !== "pipe") {
    closeSync(input);
  }
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A program that does not read its input closes the pipe; its exit code tells the story.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.stdin ?? "");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killTree(child.pid);
  }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  try {
    const code = await exitCode(child);
    return { argv, code, stdout: stdout(), stderr: stderr(), timedOut };
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a long-lived program; its stdout and stderr are appended to `logFile`. */
export function start(argv: readonly string[], logFile: string, options: SpawnOptions = {}): ChildProcess {
  const [command, ...args] = argv;
  const log = openSync(logFile, "a");
  try {
    return spawn(command ?? "", args, { stdio: ["ignore", log, log], ...options });
  } finally {
    closeSync(log);
  }
}

/** LC_ALL=C, so that error texts can be compared; no engine settings of the person at the keyboard. */
export function environment(extra: RunOptions["env"] = {}): NodeJS.ProcessEnv {
  const { DOCKER_HOST: _h, DOCKER_CONTEXT: _c, NODE_OPTIONS: _o, NODE_TEST_CONTEXT: _t, ...rest } = process.env;
  return { ...rest, LC_ALL: "C", ...extra };
}

function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
  });
}

function collect(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_LIMIT_BYTES) {
      chunks.push(chunk);
    }
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
