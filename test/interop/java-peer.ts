/**
 * Real RocketMQ programs, run from the jars that Maven publishes: nothing is built from RocketMQ's sources, and a user of millrace needs none of it.
 * Jars, and the classes of ./java compiled against them, are kept in MILLRACE_JAVA_CACHE (default ~/.cache/millrace-java), once for each release.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { exitCode } from '../support/exit-code.js'

export type Release = '4.9.7' | '5.3.3'

/** 4.3.0 has the programs of ./java/client-4.3.0 alone, the starter of Spring Boot those of ./java/spring-boot. */
export type AnyRelease = Release | '4.3.0' | 'spring-boot'

/** The client that goes with a release (that of 4.9.7 was never published), and where its programs and its pom.xml are. */
const peers: Record<AnyRelease, { client?: string; programs: string; pom: string }> = {
  '4.3.0': { client: '4.3.0', programs: 'client-4.3.0', pom: '.' },
  '4.9.7': { client: '4.9.8', programs: '.', pom: '.' },
  '5.3.3': { client: '5.3.3', programs: '.', pom: '.' },
  'spring-boot': { programs: 'spring-boot', pom: 'spring-boot' },
}

/** Programs and pom.xml stay where they are when the tests are compiled elsewhere. */
const sources = join(dirname(createRequire(import.meta.url).resolve('millrace/package.json')), 'test', 'interop', 'java')
const cache = process.env.MILLRACE_JAVA_CACHE ?? join(homedir(), '.cache', 'millrace-java')

/** What RocketMQ reaches for inside the JDK, which modules closed; and ratios that let a fairly full disk pass for one with room. */
const jvmOptions = [
  ...['java.nio', 'java.util', 'sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
  ...['sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-exports=java.base/${name}=ALL-UNNAMED`),
  '-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99',
  '-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.98',
  '-Dfile.encoding=UTF-8',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
]

export interface JavaOptions extends SpawnOptions {
  release?: AnyRelease
  /** Size of the heap as -Xmx takes it; default 512m. */
  heap?: string
  /** More options of the JVM, system properties for instance. */
  jvm?: readonly string[]
}

/** Starts a Java program: a class of ./java or of RocketMQ by its name, or one source file by its path. */
export async function startJava(
  program: string,
  args: readonly string[],
  { release = '4.9.7', heap = '512m', jvm = [], ...spawning }: JavaOptions = {},
): Promise<ChildProcess> {
  const { libraries, classes, home } = await prepare(release)
  const logs = join(home, 'logs')
  const options = [
    ...jvmOptions,
    `-Xmx${heap}`,
    `-Dpeer.logs=${logs}`,
    `-Duser.home=${logs}`,
    `-Drocketmq.client.logRoot=${logs}`,
    '-Drocketmq.client.logLevel=WARN',
    `-Dlogback.configurationFile=${join(sources, 'logback.xml')}`,
    ...jvm,
    '-cp',
    [classes, join(libraries, '*')].join(delimiter),
  ]
  const child = spawn('java', [...options, program, ...args], {
    ...spawning,
    env: { ...process.env, ROCKETMQ_HOME: home, ...spawning.env },
  })
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', () => reject(missing('java'))))
  return child
}

/** Runs a Java program to its end and gives what it printed; an exit code other than 0 is an error that carries its last lines. */
export async function runJava(program: string, args: readonly string[], options?: JavaOptions): Promise<string> {
  const child = await startJava(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let complained = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complained = (complained + text).slice(-4000)
  })
  const code = await exitCode(child)
  if (code !== 0) throw new Error(`java ${program} ended with ${code}:\n${complained || printed.slice(-4000)}`)
  return printed
}

/** RocketMQ's admin tool. */
export function mqadmin(args: readonly string[]): Promise<string> {
  return runJava('org.apache.rocketmq.tools.command.MQAdminStartup', args, { heap: '256m' })
}

interface Prepared {
  readonly libraries: string
  readonly classes: string
  readonly home: string
}

const prepared = new Map<AnyRelease, Promise<Prepared>>()

function prepare(release: AnyRelease): Promise<Prepared> {
  let preparing = prepared.get(release)
  if (!preparing) {
    preparing = fetchAndCompile(release)
    prepared.set(release, preparing)
  }
  return preparing
}

async function fetchAndCompile(release: AnyRelease): Promise<Prepared> {
  const { client, ...folders } = peers[release]
  const pom = join(sources, folders.pom, 'pom.xml')
  const libraries = await once(`lib-${release}-${hash(await readFile(pom))}`, (dir) =>
    tool('mvn', [
      '-q',
      '-B',
      '-f',
      pom,
      `-Drelease=${release}`,
      `-Dclient=${client}`,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${dir}`,
    ]),
  )
  const folder = join(sources, folders.programs)
  const programs = (await readdir(folder))
    .filter((name) => name.endsWith('.java'))
    .sort()
    .map((name) => join(folder, name))
  const texts = await Promise.all(programs.map((program) => readFile(program)))
  const classes = await once(`classes-${release}-${hash(...texts)}`, (dir) =>
    tool('javac', ['-nowarn', '-encoding', 'UTF-8', '-d', dir, '-cp', join(libraries, '*'), ...programs]),
  )
  const logback = join(sources, 'logback.xml')
  const home = await once(`home-${hash(await readFile(logback))}`, async (dir) => {
    await mkdir(join(dir, 'logs'), { recursive: true })
    for (const program of ['broker', 'namesrv', 'tools']) await cp(logback, join(dir, 'conf', `logback_${program}.xml`))
  })
  return { libraries, classes, home }
}

/** A folder of the cache that is there whole or not at all, also when several processes make it at the same time. */
async function once(name: string, fill: (dir: string) => Promise<unknown>): Promise<string> {
  const dir = join(cache, name)
  if (await exists(dir)) return dir
  const unfinished = `${dir}.${randomUUID()}`
  await mkdir(unfinished, { recursive: true })
  try {
    await fill(unfinished)
    await rename(unfinished, dir)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    if (!(await exists(dir))) throw error // otherwise another process was faster
  }
  return dir
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function hash(...parts: Buffer[]): string {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part)
  return sum.digest('hex').slice(0, 12)
}

async function tool(name: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(name, args, { maxBuffer: 64 << 20 })
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string }
    if (code === 'ENOENT') throw missing(name)
    throw new Error(`${name} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`)
  }
}

function missing(name: string): Error {
  return new Error(`The interop tests need ${name} on the PATH, and did not find it: install a JDK (17 or newer) and Maven (3.6 or newer).`)
}
