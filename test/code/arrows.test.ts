/** Which part may know which: the arrows of docs/architecture.md. */
import t from 'tap'
import { imports, includes, linesMatching, sourceFiles } from './tree.js'

/** For each folder of src, the own modules that its files may import besides those of the folder itself. `errors` is open to all. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'src/format/': [],
  'src/native/': ['src/format/', 'src/store/types'],
  'src/store/': ['src/format/', 'src/native/', 'src/durable-file', 'src/setting'],
  'src/verify/': ['src/format/', 'src/store/settings'],
  'src/protocol/': ['src/format/'],
  'src/remoting/': ['src/protocol/'],
  'src/namesrv/': ['src/remoting/', 'src/protocol/', 'src/format/', 'src/durable-file', 'src/setting', 'src/log'],
  'src/broker/': ['src/store/', 'src/remoting/', 'src/protocol/', 'src/format/', 'src/namesrv/settings', 'src/setting', 'src/log'],
  'src/cli/': ['src/format/', 'src/store/', 'src/namesrv/', 'src/broker/', 'src/index', 'src/log'],
}

const sources = sourceFiles('src/').filter(({ path }) => path.endsWith('.ts'))

for (const [folder, targets] of Object.entries(allowed)) {
  t.test(`${folder} imports of millrace only ${[...targets, 'src/errors'].join(', ')}`, async (t) => {
    const open = [folder, 'src/errors', ...targets]
    for (const file of sources.filter(({ path }) => path.startsWith(folder))) {
      const wrong = imports(file).filter((name) => name.startsWith('src/') && !open.some((target) => name.startsWith(target)))
      t.same(wrong, [], file.path)
    }
  })
}

t.test('src/format knows no files, no clock and no package but Node’s own', async (t) => {
  const format = sources.filter(({ path }) => path.startsWith('src/format/'))
  for (const file of format) {
    const wrong = imports(file).filter((name) => !name.startsWith('src/') && !/^node:(buffer|net|util|zlib)$/.test(name))
    t.same(wrong, [], file.path)
  }
  t.same(linesMatching(format, /\bDate\.now\(|\bnew Date\(\)|\bperformance\b|\bsetTimeout\(/), [])
})

t.test('src/protocol knows no sockets, no files and no clock', async (t) => {
  const protocol = sources.filter(({ path }) => path.startsWith('src/protocol/'))
  for (const file of protocol) {
    const wrong = imports(file).filter((name) => !name.startsWith('src/') && name !== 'node:zlib')
    t.same(wrong, [], file.path)
  }
  t.same(linesMatching(protocol, /\bDate\.now\(|\bnew Date\(\)|\bperformance\b|\bsetTimeout\(/), [])
})

t.test('only src/native/binding.ts loads the addon', async (t) => {
  const loaders = sources.filter((file) => imports(file).includes('bindings') || /\.node'/.test(file.text)).map(({ path }) => path)
  t.same(loaders, ['src/native/binding.ts'])
})

t.test('src has no top-level await, so that require() can load it', async (t) => {
  t.same(linesMatching(sources, /^(?:export )?(?:(?:const|let|var) .*= )?await\b|^for await\b/), [])
})

const native = sourceFiles('native/')

for (const folder of ['native/core/', 'native/wire/'])
  t.test(`${folder} is plain C++: nothing of Node, of the boundary or of tests is included`, async (t) => {
    const wrong = native
      .filter(({ path }) => path.startsWith(folder))
      .flatMap((file) => includes(file).map((name) => ({ path: file.path, name })))
      .filter(({ name }) => /^(napi|node_api|js_native_api|uv|v8|node)\b|^native\/(napi|test)\//.test(name))
    t.same(wrong, [])
  })

t.test('native/core knows nothing of the wire', async (t) => {
  const core = native.filter(({ path }) => path.startsWith('native/core/'))
  t.same(
    core.flatMap(includes).filter((name) => name.startsWith('native/wire/')),
    [],
  )
})

t.test('only native/napi includes napi.h', async (t) => {
  const users = native.filter((file) => includes(file).some((name) => /^(napi|node_api|js_native_api)\.h$/.test(name)))
  t.ok(users.every(({ path }) => path.startsWith('native/napi/')))
})

t.test('system calls on files are made by the seam and the platform’s file alone', async (t) => {
  const calls = [
    ...['open', 'openat', 'pread', 'preadv2', 'pwrite', 'pwritev', 'ftruncate', 'fallocate', 'fsync', 'fdatasync', 'sync_file_range'],
    ...[
      'syncfs',
      'rename',
      'renameat',
      'unlink',
      'link',
      'mkdir',
      'rmdir',
      'opendir',
      'fcntl',
      'fstat',
      'lstat',
      'msync',
      'mincore',
      'fopen',
    ],
  ]
  const call = new RegExp(`^(?:(?!//).)*(?<![\\w.>:"])(?:::)?(?:${calls.join('|')})\\(`)
  t.match('  return fsync(fd);', call)
  t.notMatch('// open(options) → id', call)
  t.notMatch('int made;  // by open()', call)
  const others = native.filter(({ path }) => /^native\/(core|napi)\/(?!posix_file_system\.cc|platform\.)/.test(path))
  t.same(linesMatching(others, call), [])
})
