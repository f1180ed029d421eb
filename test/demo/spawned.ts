import { readFileSync } from "node:fs";
import path from "node:path";
import type { Space } from "../lab/space.ts";
import { waitFor } from "../lab/wait.ts";
import type { Machine, Running } from "./stage.ts";

/** A space of the lab as a machine of the play. */
export function machineOf(space: Space, addresses: { readonly ipv4: string; readonly ipv6: string }): Machine {
  let spawned = 0;
  return {
    name: space.name,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    exec: (argv, options) => space.exec(argv, options),
    tryExec: (argv, options) => space.tryExec(argv, options),
    spawn: async (argv) => {
      spawned += 1;
      const log = `spawned-${spawned}.log`;
      const { ended } = await space.spawn(argv, log);
      return runningUntil(ended, path.join(space.directory, log));
    },
  };
}

export function runningUntil(ended: Promise<unknown>, logFile: string): Running {
  let over = false;
  ended.then(
    () => {
      over = true;
    },
    () => undefined,
  );
  return {
    finished: async (deadlineMs) => {
      await waitFor(() => over, deadlineMs, `the program that writes ${logFile}`);
      return readFileSync(logFile, "utf8");
    },
  };
}
