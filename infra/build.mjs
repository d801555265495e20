// Bundles what runs into dist/: one file a program, packages left where npm put them.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist', '.built')

/** Name in dist/ -> source. `client` is for other people's programs: they import it as `armada/client`. */
const programs = {
  api: 'functions/node.ts',
  runner: 'functions/runners/run.ts',
  agent: 'agent/main.ts',
  start: 'infra/start.ts',
  reset: 'infra/reset.ts',
  armada: 'infra/armada.ts',
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
  await bundle({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(entries),
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
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

/** The types of `armada/client`, into dist/types: some seconds, so only when a package is made. */
function declareClient() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const project = join(root, 'infra', 'clientTypes.json')
  rmSync(join(root, 'dist', 'types'), { recursive: true, force: true })
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (isBuilt() && !process.argv.includes('--force')) console.log('dist/ is up to date')
  else console.log(`built: ${(await build()).map((name) => `dist/${name}.js`).join(' ') || 'nothing yet'}`)
  if (process.argv.includes('--types')) declareClient()
}
