/** What fairway asks of the operator's routing daemon. Two adapters speak it: bird-control.ts and frr-control.ts. */
import type { IpAddress, Prefix } from "../model/ip.ts";

/** drained: switched off by an administrator. */
export type SessionState = "established" | "connecting" | "drained";

export interface BgpSession {
  /** As the daemon calls it; a peer of our configuration has its name there. */
  readonly name: string;
  readonly neighbor: IpAddress | string;
  readonly remoteAs: number;
  readonly state: SessionState;
  /** The daemon's own words about a session that is not established. */
  readonly detail: string;
  /** Since the session was established; absent when it is not, or when the daemon does not tell. */
  readonly upSeconds?: number;
  /** Routes sent to the neighbor, those of others included. */
  readonly announced: number;
  /** Routes of fairway among them. */
  readonly ours: number;
  readonly received: number;
}

/**
 * Every method rejects with FairwayError FW4101 when the daemon is not there or does not answer in time, FW4102 when it
 * refuses, FW4103 when what answers is not understood, FW4104 for a session that it does not have.
 */
export interface RoutingDaemonPort {
  sessions(): Promise<readonly BgpSession[]>;
  /** Prefixes with our mark that the daemon has learnt from the kernel. */
  announced(): Promise<readonly Prefix[]>;
  /** Checks the text, writes the file and loads it. When the daemon refuses, file and daemon have the old one. */
  apply(text: string): Promise<void>;
  drain(session: string): Promise<void>;
  undrain(session: string): Promise<void>;
}
