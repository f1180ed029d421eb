/** Requests without pause, to see whether an interruption shows. */
import { setTimeout as delay } from "node:timers/promises";
import { http } from "../../lab/probe.ts";
import type { Place } from "../../lab/space.ts";
import { waitFor } from "../../lab/wait.ts";

export interface Traffic {
  /** Resolves after so many more answers. */
  hasAnswered(count: number): Promise<void>;
  stop(): Promise<{ readonly failed: number }>;
}

export async function startTraffic(from: Place, host: string, port: number): Promise<Traffic> {
  let answered = 0;
  let failed = 0;
  let stopping = false;
  const address = host.includes(":") ? `[${host}]` : host;
  const loop = (async () => {
    while (!stopping) {
      const outcome = await http(from, `http://${address}:${port}/cgi-bin/who`, { timeoutMs: 2000 });
      answered += outcome.ok ? 1 : 0;
      failed += outcome.ok ? 0 : 1;
      await delay(10);
    }
  })();
  return {
    hasAnswered: async (count) => {
      const target = answered + count;
      await waitFor(async () => answered >= target, 20_000, `${count} more answers`);
    },
    stop: async () => {
      stopping = true;
      await loop;
      return { failed };
    },
  };
}
