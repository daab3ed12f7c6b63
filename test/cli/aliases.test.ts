/** The programs under the names of RocketMQ's scripts. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { serversIn } from '#src/cli/processes.js'
import { ended, packageRoot } from './run.js'

const alias = (name: string, ...args: string[]) => ended(spawn(process.execPath, [join(packageRoot, 'dist', 'cli', `${name}.js`), ...args]))

t.test('mqbroker and mqnamesrv are the commands', async (t) => {
  t.match(await alias('mqbroker', '-n', '10.0.0.1:9876', '-m'), { code: 0, stdout: /^namesrvAddr=10\.0\.0\.1:9876$/m })
  t.match(await alias('mqnamesrv', '-p'), { code: 0, stdout: /^listenPort=9876$/m })
})

t.test('mqshutdown finds brokers and name servers, and nothing else', async (t) => {
  const list = [
    '    1 /sbin/init',
    ' 4711 node /usr/lib/node_modules/millrace/dist/cli/main.js broker -c /etc/broker.conf',
    ' 4712 /usr/bin/node /usr/local/bin/mqnamesrv',
    ' 4713 node dist/cli/main.js server --dir store',
    ' 4714 node /usr/local/bin/mqbroker -n 10.0.0.1:9876',
    ' 4715 node /usr/local/bin/millrace namesrv',
    ' 4716 vi mqbroker.js',
    ' 4717 node dist/cli/main.js store info broker',
    ' 4718 java org.apache.rocketmq.broker.BrokerStartup',
    '',
  ].join('\n')
  t.same(serversIn(list, 'broker'), [4711, 4713, 4714])
  t.same(serversIn(list, 'namesrv'), [4712, 4715])
  t.equal(serversIn(list, 'store'), undefined)
  t.match(await alias('mqshutdown', 'everything'), { code: 2, stderr: /Usage/ })
})
