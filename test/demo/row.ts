import type { Scene } from "./scene.ts";

/** One promise of the driver and how to see whether it is kept. */
export interface Row {
  readonly title: string;
  readonly expected: string;
  run(scene: Scene): Promise<Finding>;
}

export interface Finding {
  readonly ok: boolean;
  /** For the table: short. */
  readonly got: string;
  /** For those who want to see it: lines of a listing, a message. */
  readonly evidence?: readonly string[];
}
