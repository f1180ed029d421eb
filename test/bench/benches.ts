import * as connect from "./control/connect.ts";
import * as growth from "./control/growth.ts";
import * as networks from "./control/networks.ts";
import * as parallel from "./control/parallel.ts";
import * as ports from "./control/ports.ts";
import * as self from "./control/self-time.ts";
import * as start from "./control/start.ts";
import * as announce from "./fabric/announce.ts";
import * as crowd from "./fabric/crowd.ts";
import type { Figure } from "./figure.ts";
import type { Stage, StageOptions } from "./stage.ts";
import * as flat from "./traffic/flat.ts";
import * as many from "./traffic/many.ts";
import * as reach from "./traffic/reach.ts";
import * as share from "./traffic/share.ts";

/** "measure" gets a stage that is thrown away afterwards; "perform" sets its own. */
export type Bench = { readonly what: string } & (
  | { readonly measure: (stage: Stage) => Promise<Figure[]> }
  | { readonly perform: (options: StageOptions) => Promise<Figure[]> }
);

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
  announce,
  crowd,
} as const satisfies Record<string, Bench>;
export type BenchName = keyof typeof benches;

export function isBenchName(text: string): text is BenchName {
  return Object.hasOwn(benches, text);
}
