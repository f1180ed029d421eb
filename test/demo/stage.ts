import type { RunResult } from "../lab/exec.ts";
import type { Place } from "../lab/space.ts";

/** A machine of the play. */
export interface Machine extends Place {
  readonly ipv4: string;
  readonly ipv6: string;
  /** Starts a program that goes on by itself. */
  spawn(argv: readonly string[]): Promise<Running>;
}

export interface Running {
  /** Everything it printed, once it has ended by itself. @throws when it does not end in time. */
  finished(deadlineMs: number): Promise<string>;
}

/** What the rows need, whether it is played on a pretended machine or on this one. */
export interface Stage {
  /** Runs the engine and the driver. */
  readonly host: Machine;
  /** Another machine on the host's network, with nothing of Docker. Routes to the host only. */
  readonly neighbour: Machine;
  /** For files that programs of both write. */
  readonly directory: string;
  tryDocker(args: readonly string[]): Promise<RunResult>;
  startDriver(): Promise<void>;
  killDriver(): Promise<void>;
  /** The command line of the project: `fairway status --json`, … */
  fairway(args: readonly string[]): Promise<string>;
  driverLog(): string;
  /** What is there although the engine knows nothing of it, or the other way round; one line each. */
  differences(): Promise<string[]>;
  /** What of others is not as it was before the driver came. */
  foreignChanges(): Promise<string[]>;
  /** Ends everything that was started. Twice is fine. */
  close(): Promise<void>;
  /** What close() left on this machine. */
  traces(): Promise<string[]>;
}
