import type { Kernel } from "../../../src/kernel/ports.ts";
import type { Prefix } from "../../../src/model/ip.ts";

/** A kernel, real or not, on a host that has nothing but a loopback interface; left clean when disposed of. */
export interface Subject extends AsyncDisposable {
  readonly kernel: Kernel;
  /** An interface that bears no mark of ours. */
  addForeignLink(name: string): Promise<void>;
  /** One that leads nowhere, by somebody who sees to this host. */
  addForeignRoute(destination: Prefix, metric: number): Promise<void>;
  hasForeignRoute(destination: Prefix): Promise<boolean>;
}

export type OpenSubject = () => Promise<Subject>;
