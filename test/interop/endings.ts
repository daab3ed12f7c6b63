import type { Test } from 'tap'

/** Ends what a test has started when it is over, the last first. To be asked for before the test's folder is: what is asked for first is done first. */
export function endings(t: Test): (end: () => Promise<unknown>) => void {
  const ends: (() => Promise<unknown>)[] = []
  t.teardown(async () => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end()
  })
  return (end) => {
    ends.push(end)
  }
}
