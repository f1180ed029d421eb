/** Format, lint and types, as CI does it. */
import { spawnSync } from "node:child_process";
import process from "node:process";

for (const [name, ...args] of [
  ["@biomejs/biome/bin/biome", "ci", "--colors=off", "."],
  ["typescript/bin/tsc", "-p", "test/tsconfig.json"],
]) {
  const result = spawnSync(process.execPath, [`node_modules/${name}`, ...args], { stdio: "inherit" });
  if (result.status !== 0) {
    process.exit(result.status ?? 1);
  }
}
