// Makes what a row needs, when it needs it, into build/bench: the C and C++ programs, the Node peers, the Java store from its published jars.
// Each step is skipped when what it would make is newer than what it is made from.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const built = join(root, 'build', 'bench')
const peers = join(root, 'bench', 'peers')
const javaSources = join(peers, 'java')
const jars = join(built, 'jars')
const rocketmqHome = join(built, 'rocketmq')

export const programs = { limit: join(built, 'limit'), core: join(built, 'core-bench') }

/** The command that runs the Java store with these arguments. */
export const javaCommand = (args) => javaProgram('StoreBench', '2g', args)

/** A class of bench/peers/java, or one of RocketMQ's, with so much of heap, fixed. RocketMQ reaches into the JDK and must be let. */
export const javaProgram = (name, heap, args) => [
  'java',
  `-Xms${heap}`,
  `-Xmx${heap}`,
  `-XX:MaxDirectMemorySize=${heap}`,
  ...['java.nio', 'java.util', 'sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
  ...['sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-exports=java.base/${name}=ALL-UNNAMED`),
  '-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99',
  '-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.98',
  `-Dlogback.configurationFile=${join(javaSources, 'logback.xml')}`,
  `-Duser.home=${built}`,
  `-Drocketmq.home.dir=${rocketmqHome}`,
  '-Drocketmq.client.logUseSlf4j=true',
  '-Djava.net.preferIPv4Stack=true', // it is in each message's key, twice as long otherwise
  '-cp',
  `${built}:${join(jars, '*')}`,
  name,
  ...args,
]

/** What can be asked for. Each is made once a run. */
const steps = {
  limit() {
    const sources = filesIn(join(root, 'bench', 'native'), '.c')
    const headers = filesIn(join(root, 'bench', 'native'), '.h')
    if (newer(programs.limit, [...sources, ...headers])) return
    run(process.env.CC ?? 'cc', ['-O3', '-march=native', '-std=gnu2x', '-Wall', '-Wextra', '-o', programs.limit, ...sources, '-pthread'])
    run(programs.limit, ['check'])
  },
  core() {
    const sources = [...filesIn(join(root, 'native', 'core'), '.cc'), join(root, 'bench', 'native', 'core-bench.cc')]
    const headers = filesIn(join(root, 'native', 'core'), '.h')
    if (newer(programs.core, [...sources, ...headers])) return
    const flags = ['-std=c++20', '-O3', '-pthread', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', `-I${join(root, 'native', 'core')}`]
    run(process.env.CXX ?? 'c++', [...flags, '-o', programs.core, ...sources])
  },
  node() {
    if (newer(join(peers, 'node_modules', '.package-lock.json'), [join(peers, 'package-lock.json')])) return
    // better-sqlite3 is compiled where no binary is to be had: with the headers beside the running node, if they are there
    const prefix = dirname(dirname(process.execPath))
    const env = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? { npm_config_nodedir: prefix } : {}
    run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: peers, env })
  },
  java() {
    const pom = join(root, 'test', 'interop', 'java', 'pom.xml')
    const complete = join(jars, '.complete')
    if (!newer(complete, [pom])) {
      run('mvn', [
        '-q',
        '-B',
        '-f',
        pom,
        '-Drelease=4.9.7',
        '-Dclient=4.9.8',
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${jars}`,
      ])
      writeFileSync(complete, '')
    }
    const sources = filesIn(javaSources, '.java')
    if (!newer(join(built, 'StoreBench.class'), sources) || !newer(join(built, 'BrokerLoad.class'), sources))
      run('javac', ['-nowarn', '-encoding', 'UTF-8', '-d', built, '-cp', join(jars, '*'), ...sources])
    mkdirSync(join(rocketmqHome, 'conf'), { recursive: true })
    for (const program of ['broker', 'namesrv'])
      copyFileSync(join(javaSources, 'logback.xml'), join(rocketmqHome, 'conf', `logback_${program}.xml`))
  },
  ours() {
    const outputs = [join(root, 'dist', 'index.js'), join(root, 'build', 'Release', 'millrace.node')]
    if (!outputs.every((path) => existsSync(path))) run('npm', ['run', 'build'])
  },
}

const done = new Set()

/** Makes one of `steps`, if one is named, or several; throws with the tool's own words when it cannot. */
export function need(names = []) {
  for (const name of [names].flat()) {
    if (done.has(name)) continue
    mkdirSync(built, { recursive: true })
    steps[name]()
    done.add(name)
  }
}

/** Whether a trial is of this library. */
export const isOurs = ({ needs }) => [needs].flat().includes('ours')

const filesIn = (folder, extension) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(folder, name))

const newer = (made, sources) => existsSync(made) && sources.every((source) => statSync(source).mtimeMs <= statSync(made).mtimeMs)

function run(command, args, { cwd = root, env = {} } = {}) {
  process.stderr.write(`building: ${command} ${args[0]} …\n`)
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: 'utf8' })
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `${stdout}${stderr}`.slice(-4000)}`)
}
