import type { Kernel } from "../../../src/kernel/ports.ts";

/** A kernel, real or not, on a host that has nothing but a loopback interface; left clean when disposed of. */
export interface Subject extends AsyncDisposable {
  readonly kernel: Kernel;
  /** An interface that bears no mark of ours. */
  addForeignLink(name: string): Promise<void>;
}

export type OpenSubject = () => Promise<Subject>;
