import * as connect from "./control/connect.ts";
import * as growth from "./control/growth.ts";
import * as networks from "./control/networks.ts";
import * as parallel from "./control/parallel.ts";
import * as ports from "./control/ports.ts";
import * as self from "./control/self-time.ts";
import * as start from "./control/start.ts";
import type { Figure } from "./figure.ts";
import type { Stage } from "./stage.ts";
import * as flat from "./traffic/flat.ts";
import * as many from "./traffic/many.ts";
import * as reach from "./traffic/reach.ts";
import * as share from "./traffic/share.ts";

interface Bench {
  readonly what: string;
  readonly measure: (stage: Stage) => Promise<Figure[]>;
}

/** In the order in which they run. */
export const benches = {
  networks,
  connect,
  start,
  ports,
  parallel,
  growth,
  self,
  reach,
  share,
  flat,
  many,
} as const satisfies Record<string, Bench>;
export type BenchName = keyof typeof benches;

export function isBenchName(text: string): text is BenchName {
  return Object.hasOwn(benches, text);
}
