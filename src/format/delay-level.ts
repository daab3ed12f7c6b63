/** Delay levels: the setting `messageDelayLevel`, and the level that a message's `DELAY` property asks for. Levels count from 1. */
import { storeError } from '../errors.js'

export const DEFAULT_DELAY_LEVELS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of each level, level 1 first. Throws INVALID_SETTING. */
export function parseDelayLevels(setting: string): number[] {
  return setting.split(' ').map((level) => {
    const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(level) ?? []
    if (count === undefined)
      throw storeError('INVALID_SETTING', {
        setting: 'messageDelayLevel',
        value: setting,
        allowed: "times such as '5s', '10m', '2h' or '1d', one space between them",
      })
    return Number(count) * UNIT_MS[unit]!
  })
}

/** The level that `DELAY` asks for, at most the highest there is; 0 for none and for what is no number. */
export function delayLevel(delay: string | undefined, levelCount: number): number {
  if (delay === undefined || !/^[+-]?\d{1,10}$/.test(delay)) return 0
  return Math.max(0, Math.min(Number(delay), levelCount))
}
