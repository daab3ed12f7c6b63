/** What goes out to a consumer passes through no memory of the broker's: its system calls, counted. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { messagesIn, pull, send } from '../broker/started.js'
import { packageRoot } from '../cli/run.js'
import { exitCode } from '../support/exit-code.js'
import { RemotingPeer } from '../support/remoting.js'

t.setTimeout(120_000)

const MESSAGES = 20
const BODY_BYTES = 1 << 20

/** Bytes that the calls of a name moved, by strace's lines `call(…) = bytes`. */
function moved(trace: string, calls: string): number {
  return [...trace.matchAll(new RegExp(`\\b(?:${calls})\\(.* = (\\d+)$`, 'gm'))].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
}

/** Of the broker: the first one that called anything. */
const pidIn = (trace: string) => Number(/^\d+/.exec(readFileSync(trace, 'utf8'))?.[0])

t.test('records of a MiB leave by sendfile: nothing reads them, nothing writes them', async (t) => {
  const dir = t.testdir({})
  const trace = join(dir, 'trace')
  const program = [join(packageRoot, 'dist', 'cli', 'main.js'), 'server', '--dir', join(dir, 'store'), '--port', '0', '--listen-port', '0']
  const calls = 'sendfile,write,writev,sendmsg,sendto,read,readv,pread64,preadv'
  const strace = spawn(
    'strace',
    ['-f', '-q', '-o', trace, '-e', `trace=${calls}`, '-e', 'status=successful', process.execPath, ...program],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => strace.kill('SIGKILL'))
  strace.on('error', () => t.fail('this test needs strace on the PATH'))
  const [line] = await once(strace.stdout, 'data')
  const broker = / broker (\S+),/.exec(String(line))?.[1] as string
  const one = await RemotingPeer.connect(broker)
  for (let i = 0; i < MESSAGES; i++) await send(one, {}, 'x'.repeat(BODY_BYTES))
  const before = readFileSync(trace, 'utf8').length
  for (let i = 0; i < MESSAGES; i++)
    t.equal(messagesIn((await pull(one, { queueOffset: i, maxMsgNums: 1 })).body)[0]?.body.length, BODY_BYTES)
  one.close()
  process.kill(pidIn(trace), 'SIGTERM') // strace ends with it
  await exitCode(strace)
  const pulled = readFileSync(trace, 'utf8').slice(before)
  t.ok(moved(pulled, 'sendfile') >= MESSAGES * BODY_BYTES, 'all of them by sendfile')
  t.ok(moved(pulled, 'read|readv|pread64|preadv') < BODY_BYTES, 'none is read')
  t.ok(moved(pulled, 'write|writev|sendmsg|sendto') < BODY_BYTES, 'none is written from memory')
})
