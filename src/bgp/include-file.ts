import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { FairwayError } from "../errors.ts";

/** The file that a routing daemon reads. It may hold passwords, and it belongs to whom its directory belongs to. */
export class IncludeFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Undefined when there is none. */
  read(): string | undefined {
    try {
      return readFileSync(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return undefined;
      }
      throw unusable(this.path, error);
    }
  }

  /** In one step: a reader sees the old text or the new one. Undefined removes the file. */
  replace(text: string | undefined): void {
    try {
      if (text === undefined) {
        rmSync(this.path, { force: true });
      } else {
        writeWhole(this.path, text);
      }
    } catch (error) {
      throw unusable(this.path, error);
    }
  }
}

function writeWhole(path: string, text: string): void {
  // Hidden, so that an include with a wildcard does not take it.
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.new`);
  const { uid, gid } = statSync(dirname(path));
  // A draft that somebody put there, or a link, would be written through.
  rmSync(draft, { force: true });
  const file = openSync(draft, "wx", 0o640);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chownSync(draft, uid, gid);
  renameSync(draft, path);
}

function unusable(path: string, error: unknown): FairwayError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new FairwayError({
    code: "FW4102",
    what: `the routing daemon's file ${path} cannot be written or read (${reason})`,
    fix: "create its directory, use sudo, or name another file with --file",
    cause: error,
  });
}
