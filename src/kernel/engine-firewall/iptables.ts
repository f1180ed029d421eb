/** The only programs that fairway starts: the format of these rules belongs to iptables. */
import { execFile } from "node:child_process";
import { FairwayError } from "../../errors.ts";

const timeoutMs = 10_000;
const outputLimitBytes = 16 * 1024 * 1024;

export type IptablesProgram = `${"iptables" | "ip6tables"}-${"nft" | "legacy"}${"" | "-restore"}`;

/**
 * Runs an iptables program with a fixed environment and no shell.
 * @throws FairwayError FW2001 when it is not installed, FW9001 when it fails.
 */
export function runIptables(program: IptablesProgram, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        timeout: timeoutMs,
        maxBuffer: outputLimitBytes,
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(failure(program, error, stderr))),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** True when the program is not installed; false when it ran, whatever it said. */
export function isMissingProgram(error: unknown): boolean {
  return error instanceof FairwayError && error.code === "FW2001";
}

function failure(program: string, error: Error & { code?: number | string | null }, stderr: string): FairwayError {
  if (error.code === "ENOENT") {
    return new FairwayError({
      code: "FW2001",
      what: `${program} is not installed, and the engine's packet filter cannot be passed without it`,
      why: "the engine drops all forwarded traffic that nobody accepts in its chain DOCKER-USER",
      fix: "install the package iptables",
      cause: error,
    });
  }
  return new FairwayError({
    code: "FW9001",
    what: `${program} failed: ${(stderr.trim().split("\n").at(-1) ?? error.message).slice(0, 200)}`,
    why: "the engine's packet filter could not be read or changed",
    cause: error,
  });
}
