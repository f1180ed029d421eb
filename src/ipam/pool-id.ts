import { randomBytes } from "node:crypto";

/** The engine keeps it and shows it to nobody. */
export function newPoolId(what: string): string {
  return `fairway/${what}/${randomBytes(6).toString("hex")}`;
}
