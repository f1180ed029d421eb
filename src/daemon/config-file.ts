import { readFileSync } from "node:fs";

/** Reads a configuration file; undefined when there is none. Other failures throw as they come. */
export function readConfigFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}
