/** Where replication meets the store: an append may wait for a replica beside the disk. The broker's HA service will be one; tests have a fake slave. */

export type ReplicationStatus = 'PUT_OK' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

export interface Replication {
  /**
   * Asked as soon as the record is in the log, beside the flush. Settles when a replica has everything below `logOffset`, or says why nobody waits for
   * it; a rejection counts as SLAVE_NOT_AVAILABLE. It must settle: `close` waits for it.
   */
  waitFor(logOffset: number): Promise<ReplicationStatus>
}
