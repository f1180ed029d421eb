import { readFileSync, writeFileSync } from "node:fs";
import { KernelError, type SysctlPort } from "../ports.ts";

const segmentPattern = /^[A-Za-z0-9_.-]+$/;

/**
 * Kernel settings below /proc/sys. The calls block, which is fine: the kernel answers from memory, and the values must
 * be there before the next step.
 */
export class ProcSysctl implements SysctlPort {
  /** @throws KernelError for every failure but a missing knob. */
  read(path: readonly string[]): string | undefined {
    try {
      return readFileSync(fileOf(path), "utf8").replace(/\n$/, "");
    } catch (error) {
      const refusal = toKernelError("read sysctl", path, error);
      if (refusal.errno === "ENOENT") {
        return undefined;
      }
      throw refusal;
    }
  }

  /** @throws KernelError: ENOENT for a missing knob, EROFS where /proc/sys is mounted read-only, EINVAL, … */
  write(path: readonly string[], value: string): void {
    try {
      // Without O_CREAT: a missing knob is ENOENT then, and not EACCES as for a file that procfs cannot create.
      writeFileSync(fileOf(path), value, { flag: "r+" });
    } catch (error) {
      throw toKernelError("write sysctl", path, error);
    }
  }
}

function fileOf(path: readonly string[]): string {
  const bad = path.find((segment) => !segmentPattern.test(segment) || segment === "." || segment === "..");
  if (bad !== undefined || path.length === 0) {
    throw new Error(`${JSON.stringify(path)} is not a path below /proc/sys`);
  }
  return `/proc/sys/${path.join("/")}`;
}

function toKernelError(operation: string, path: readonly string[], error: unknown): KernelError {
  const errno = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
  if (errno === undefined) {
    throw error;
  }
  return new KernelError(`${operation} ${path.join("/")}`, errno);
}
