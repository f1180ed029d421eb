/**
 * What several hosts agree on, as one small interface: a store of texts by key with compare-and-swap. An adapter speaks to
 * an existing store; a fake in test/fakes implements it in memory and checks its callers.
 */

/** Counts up with every change of the store; never reused, not even for a key that was deleted and comes again. */
export type Revision = string & { readonly __revision: unique symbol };

export interface ClusterEntry {
  readonly key: string;
  readonly value: string;
  /** Of its last change. */
  readonly revision: Revision;
}

/** A key that vanishes with the lease it hangs on; the store measures the time. */
export interface PutOptions {
  readonly lease?: LeaseId;
}

export type LeaseId = string & { readonly __lease: unique symbol };

/**
 * Every method rejects with FairwayError FW4001 when the store cannot be reached or has no quorum: the change may or may
 * not have been made, even some time later, and whoever needs to know reads again. FW4002: the store refused us
 * (credentials, permissions, TLS).
 *
 * An adapter that repeats a write whose answer was lost takes the value it finds then for its own. So a value must tell
 * its writer: two hosts never write the same text to a key.
 */
export interface ClusterStore extends AsyncDisposable {
  /** Linearizable. */
  get(key: string): Promise<ClusterEntry | undefined>;
  /** Every key that begins with `prefix`, ordered by key, as of one revision. Linearizable. */
  list(prefix: string): Promise<readonly ClusterEntry[]>;
  /**
   * Writes if the key is as expected: absent, or last changed in this revision. Undefined: it is not, or the lease is
   * over, and nothing was written.
   */
  put(
    key: string,
    value: string,
    expected: Revision | "absent",
    options?: PutOptions,
  ): Promise<ClusterEntry | undefined>;
  /** Deletes if the key is as expected. False: it is not. True: it is gone, whoever did it. */
  delete(key: string, expected: Revision): Promise<boolean>;
  /** @param ttlSeconds the store takes the lease's keys away when it has not been renewed for so long */
  grantLease(ttlSeconds: number): Promise<LeaseId>;
  /** False: the lease is over; its keys are gone. */
  renewLease(lease: LeaseId): Promise<boolean>;
}
