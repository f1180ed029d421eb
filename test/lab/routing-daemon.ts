/** A routing daemon in a space. It ends with the space. */
export interface Routing {
  readonly kind: "bird" | "frr";
  readonly isRunning: boolean;
  /** One command of birdc or vtysh. @throws RunError with what it said, when the daemon refuses. */
  control(command: string): Promise<string>;
  /** Takes another configuration without a restart. BIRD: replaces; FRR: adds to what it has. */
  configure(text: string): Promise<void>;
  /** Ends bird, or bgpd of FRR, and waits for its end. "all": zebra and bfdd, too. */
  kill(signal: NodeJS.Signals, which?: "bgp" | "all"): Promise<void>;
  /** Starts again what was killed, with the last configuration. */
  restart(): Promise<void>;
  /** How many BGP and BFD sessions are up. */
  sessionsUp(): Promise<SessionsUp>;
  log(): string;
  /** Processes in the numbers of the outer world, to look at their memory. */
  readonly pids: readonly number[];
}

export interface SessionsUp {
  readonly bgp: number;
  readonly bfd: number;
}
