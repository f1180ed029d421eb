import { readFileSync } from "node:fs";
import { FairwayError } from "../errors.ts";
import type { BgpPeer, Password } from "./settings.ts";
import { type PeerName, parsePassword } from "./values.ts";

/** @throws FairwayError FW2005 naming peer and file, never what is in it. */
export function readPasswords(peers: readonly BgpPeer[]): ReadonlyMap<PeerName, Password> {
  const passwords = new Map<PeerName, Password>();
  for (const { name, passwordFile } of peers) {
    if (passwordFile !== undefined) {
      passwords.set(name, readPassword(name, passwordFile));
    }
  }
  return passwords;
}

function readPassword(name: PeerName, path: string): Password {
  try {
    return parsePassword(readFileSync(path, "utf8"));
  } catch (error) {
    const reason = error instanceof FairwayError ? error.message : (error as NodeJS.ErrnoException).code;
    throw new FairwayError({
      code: "FW2005",
      what: `passwordFile of BGP peer ${name}: ${path} cannot be used (${reason})`,
      fix: "write the password on one line of that file, readable by root",
      cause: error,
    });
  }
}
