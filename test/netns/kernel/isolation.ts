import { networkInterfaces } from "node:os";

/** These tests flush rules and hide programs: outside of namespaces of their own they would do so to the machine. */
const foreign = Object.entries(networkInterfaces()).filter(([, entries]) => entries?.some(({ internal }) => !internal));
if (foreign.length > 0) {
  const names = foreign.map(([name]) => name).join(", ");
  throw new Error(`interfaces ${names} are up: run this by way of test/run.ts, which makes new namespaces for it`);
}
