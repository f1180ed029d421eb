/** Bytes to the kernel and back. Implemented by a worker thread over libc; faked in unit tests. */

export type NetlinkProtocol = "route" | "netfilter";

/** The kernel's word on one message of a datagram. */
export interface NetlinkAck {
  /** Index of the message in the request. */
  readonly index: number;
  /** Symbolic errno ("EEXIST"); absent on success. */
  readonly errno?: string;
  /** The kernel's extended-ack text, "" when it gave none. */
  readonly detail: string;
}

export interface NetlinkTransport {
  /**
   * Sends all messages as one datagram and returns what the kernel acknowledged: every message with NLM_F_ACK and
   * every failed one, in order. rtnetlink goes on after a failure; an nfnetlink batch is all or nothing.
   */
  transact(protocol: NetlinkProtocol, messages: readonly Buffer[]): Promise<readonly NetlinkAck[]>;
  /** Sends one NLM_F_DUMP request; the replies, each with its 16-byte header. Retries an interrupted dump. */
  dump(protocol: NetlinkProtocol, request: Buffer): Promise<readonly Buffer[]>;
}
