/** Where replication meets the store: an append may wait for a replica beside the disk. The broker's HA service will be one; tests have a fake slave. */

export type ReplicationStatus = 'PUT_OK' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

export interface Replication {
  /** Settles when a replica has everything below `logOffset`, or says why nobody waits for it. Must not reject. */
  waitFor(logOffset: number): Promise<ReplicationStatus>
}
