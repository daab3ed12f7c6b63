/** How often something took how long. Buckets of an eighth of their power of two: what is read is at most 12.5 % too large. */
export class LatencyHistogram {
  /** How many were counted. */
  readonly count: number
  readonly meanMilliseconds: number
  readonly maxMilliseconds: number
  /** In rising order: how many took less than so long, and as long as the bucket before it ends at least. */
  readonly buckets: readonly { readonly belowMilliseconds: number; readonly count: number }[]

  /** @internal `flat` has for each bucket its end in nanoseconds and its count. */
  constructor(flat: readonly number[], sumNanoseconds: number, maxNanoseconds: number) {
    const buckets: { belowMilliseconds: number; count: number }[] = []
    for (let i = 0; i < flat.length; i += 2) buckets.push({ belowMilliseconds: (flat[i] as number) / 1e6, count: flat[i + 1] as number })
    this.buckets = buckets
    this.count = buckets.reduce((sum, { count }) => sum + count, 0)
    this.meanMilliseconds = this.count === 0 ? 0 : sumNanoseconds / 1e6 / this.count
    this.maxMilliseconds = maxNanoseconds / 1e6
  }

  /** What `share` of them (0 to 1: 0.999 for p99.9) did not exceed, in milliseconds; 0 when nothing was counted. */
  percentile(share: number): number {
    let left = share * this.count
    for (const { belowMilliseconds, count } of this.buckets) {
      left -= count
      if (left <= 0) return Math.min(belowMilliseconds, this.maxMilliseconds)
    }
    return this.maxMilliseconds
  }

  /** How many took so long or longer, by whole buckets. */
  countFrom(milliseconds: number): number {
    return this.buckets.reduce((sum, { belowMilliseconds, count }) => (belowMilliseconds > milliseconds ? sum + count : sum), 0)
  }
}
