import { readlinkSync } from "node:fs";

/** These tests flush rules and hide programs: outside of namespaces of their own they would do so to the machine. */
for (const kind of ["net", "mnt"]) {
  if (readlinkSync(`/proc/self/ns/${kind}`) === readlinkSync(`/proc/1/ns/${kind}`)) {
    throw new Error("run this by way of test/run.ts, which gives it namespaces of its own");
  }
}
