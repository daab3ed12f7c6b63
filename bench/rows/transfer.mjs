// Works that send: a page or a range of the log over TCP to another process, ours beside the same in C.
import { programs } from '../build.mjs'
import { GIB, limit, ours } from './trials.mjs'

const KINDS = {
  range: { name: 'ranges of 64 KiB', ways: ['chosen', 'sendfile', 'writev'] },
  page: { name: 'head and 32 records of 1 KiB that lie together', ways: ['chosen', 'sendfile', 'writev'] },
  scattered: { name: 'head and 32 records of 1 KiB, each somewhere else', ways: ['chosen', 'writev'] },
}

export function transfers(scaled) {
  return Object.keys(KINDS).map((what) => transfer(what, scaled))
}

function transfer(what, scaled) {
  const { name, ways } = KINDS[what]
  const bytes = scaled(8 * GIB)
  const all = { what, bytes, file: 256e6 }
  const chosen = what === 'scattered' ? 'C: writev' : 'C: sendfile'
  return {
    name: `sending ${name}`,
    bytes: all.file,
    candidates: {
      ...Object.fromEntries(ways.map((way) => [way, ours('transfer', { ...all, way, limit: programs.limit })])),
      'C: sendfile': limit('send', { ...all, way: 'sendfile' }),
      'C: writev': limit('send', { ...all, way: 'writev' }),
    },
    limit: chosen,
    needs: ['limit'],
    rows: [
      {
        name: 'bytes a second',
        ours: 'chosen',
        metric: 'bytesPerSecond',
        unit: 'bytes/s',
        targets: [
          { of: chosen, atLeast: 0.9 },
          { of: 'writev', atLeast: 1 },
        ],
      },
      ...(what === 'range'
        ? [
            {
              name: 'CPU an answer',
              ours: 'sendfile',
              metric: 'cpuMicroseconds',
              unit: 'µs',
              targets: [{ of: 'writev', atMost: 0.6 }, { of: 'C: sendfile' }, { of: 'C: writev' }],
            },
            { name: 'in C', ours: 'C: sendfile', metric: 'cpuMicroseconds', unit: 'µs', targets: [{ of: 'C: writev' }] },
          ]
        : []),
    ],
  }
}
