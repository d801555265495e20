// Bundles what runs into dist/: one file a program, packages left where npm put them. The agent has its packages in it:
// it runs on hosts that have Node and nothing else, with the compiled ZooKeeper client beside it.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist', '.built')

/** Name in dist/ -> source; the agent is bundled apart. `client` is for other people's programs: they import it as `armada/client`. */
const programs = {
  api: 'functions/node.ts',
  runner: 'functions/runners/run.ts',
  agent: 'agent/main.ts',
  start: 'infra/start.ts',
  reset: 'infra/reset.ts',
  armada: 'infra/cli/armada.ts',
  client: 'shared/api/client.ts',
}

const sources = ['functions', 'agent', 'shared', 'infra', 'package.json', 'tsconfig.json']

function present() {
  return Object.entries(programs).filter(([, source]) => existsSync(join(root, source)))
}

/** The latest change of a file or of anything in a folder, also of its list of names. */
function changedAtMs(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  let newest = stat.mtimeMs
  if (stat.isDirectory()) {
    for (const name of readdirSync(path)) newest = Math.max(newest, changedAtMs(join(path, name)))
  }
  return newest
}

/** Whether dist/ is younger than every source. */
export function isBuilt() {
  const built = statSync(stamp, { throwIfNoEntry: false })
  if (built === undefined) return false
  if (present().some(([name]) => !existsSync(join(root, 'dist', `${name}.js`)))) return false
  return sources.every((source) => changedAtMs(join(root, source)) < built.mtimeMs)
}

export async function build() {
  const startedAt = new Date()
  const { build: bundle } = await import('esbuild')
  const entries = present()
  const common = {
    absWorkingDir: root,
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
  }
  const { agent, ...others } = Object.fromEntries(entries)
  await bundle({ ...common, entryPoints: others, packages: 'external' })
  if (agent) await bundle({ ...common, ...wholeAgent({ agent }), inject: ['globals'] })
  if (agent)
    await bundle({
      ...common,
      ...wholeAgent({ games: 'agent/advisor/probe/games.ts' }),
      outExtension: { '.js': '.mjs' },
    })
  for (const [name] of entries) chmodSync(join(root, 'dist', `${name}.js`), 0o755)
  const wanted = new Set(entries.flatMap(([name]) => [`${name}.js`, `${name}.js.map`]))
  mkdirSync(join(root, 'dist'), { recursive: true })
  for (const name of readdirSync(join(root, 'dist'))) {
    if (/\.js(\.map)?$/.test(name) && !wanted.has(name)) rmSync(join(root, 'dist', name))
  }
  writeFileSync(stamp, `${startedAt.toISOString()}\n`)
  return entries.map(([name]) => name)
}

/** What the agent has in place of packages, or of parts of them: a megabyte of source is one or two of memory, read or not. */
const inPlaceOf = {
  'node-gyp-build': "module.exports = () => require(__dirname + '/zookeeper.node')",
  // The engine is spoken to over a socket of this host, never over SSH; and it builds no images.
  ...{ ssh2: '', 'tar-fs': '', '@balena/dockerignore': '', '@grpc/grpc-js': '', '@grpc/proto-loader': '' },
  // Node's own come with fetch and all that it needs, which takes 9 MB.
  globals: `export { Headers } from 'undici/lib/web/fetch/headers.js'
export { Response } from 'undici/lib/web/fetch/response.js'`,
  // With it gamedig asks ships, which must not send the host's requests elsewhere.
  got: `import got from './node_modules/got/dist/source/index.js'
export default got.extend({ followRedirect: false })`,
  // Messages of zod's in fifty languages; the English ones are loaded apart.
  '../locales/index.js': 'export {}',
}

/**
 * With all packages in it but two: the compiled part of the ZooKeeper client lies beside it, and so does the thread that
 * asks games, with the library of their queries, which is begun by the first ship that needs it. Names stay as they are, for the sake of stack traces.
 */
function wholeAgent(entryPoints) {
  const client = join(root, 'node_modules', 'zookeeper', 'build', 'Release', 'zookeeper.node')
  const beside = join(root, 'dist', 'zookeeper.node')
  // A new file: agents that run have the old one in their memory, and would fall with it.
  rmSync(beside, { force: true })
  copyFileSync(client, beside)
  const parts = {
    name: 'parts',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path }) =>
        Object.hasOwn(inPlaceOf, path) ? { path, namespace: 'parts' } : undefined,
      )
      onLoad({ filter: /./, namespace: 'parts' }, ({ path }) => ({
        contents: inPlaceOf[path],
        resolveDir: root,
      }))
    },
  }
  // What CommonJS packages find around them, under names that no source has.
  const banner = [
    "import { createRequire as $createRequire } from 'node:module'",
    "import { dirname as $dirname } from 'node:path'",
    "import { fileURLToPath as $fileURLToPath } from 'node:url'",
    'const require = $createRequire(import.meta.url)',
    'const __filename = $fileURLToPath(import.meta.url)',
    'const __dirname = $dirname(__filename)',
  ]
  const smaller = { minifyWhitespace: true, minifySyntax: true, lineLimit: 200 }
  return { entryPoints, plugins: [parts], banner: { js: banner.join('\n') }, ...smaller }
}

/** The types of `armada/client`, into dist/types: some seconds, so only when a package is made. */
function declareClient() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const project = join(root, 'infra', 'clientTypes.json')
  rmSync(join(root, 'dist', 'types'), { recursive: true, force: true })
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' })
}

/** What a host takes, in one archive: unpacked, and its install-agent.sh run there. */
function packAgent() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const name = `armada-agent-${version}-linux-${process.arch}`
  const folder = join(root, 'dist', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  copyFileSync(join(root, 'dist', 'agent.js'), join(folder, 'agent.mjs'))
  for (const beside of ['games.mjs', 'zookeeper.node'])
    copyFileSync(join(root, 'dist', beside), join(folder, beside))
  for (const file of ['infra/install-agent.sh', 'LICENSE'])
    copyFileSync(join(root, file), join(folder, basename(file)))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: 'armada-agent', version })}\n`)
  const archive = join('dist', `${name}.tar.gz`)
  execFileSync('tar', ['-C', join(root, 'dist'), '-czf', join(root, archive), name])
  rmSync(folder, { recursive: true })
  return archive
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (isBuilt() && !process.argv.includes('--force')) console.log('dist/ is up to date')
  else console.log(`built: ${(await build()).map((name) => `dist/${name}.js`).join(' ') || 'nothing yet'}`)
  if (process.argv.includes('--types')) declareClient()
  if (process.argv.includes('--agent')) console.log(`packed: ${packAgent()}`)
}
