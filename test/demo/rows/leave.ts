import type { Row } from "../row.ts";
import { removeAll } from "../scene.ts";

const SHOWN = 3;

export const leavesNothing: Row = {
  title: "Remove the containers and networks, stop everything",
  expected: "nothing left: records, interfaces, rules, ports, and nobody else's changed",
  async run({ stage }) {
    await removeAll(stage);
    const left = [...(await stage.differences()), ...(await stage.foreignChanges())];
    await stage.close();
    const all = [...left, ...(await stage.traces())];
    const shown = all.slice(0, SHOWN).join("; ");
    return { ok: all.length === 0, got: all.length === 0 ? "nothing left" : shown, evidence: all };
  },
};
