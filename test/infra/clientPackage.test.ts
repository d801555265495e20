// `armada/client` as other people get it: packed, installed into a project of theirs, compiled and run there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import { scratchDir } from '../../infra/stack/scratch.ts'
import { adminToken } from '../harness/apiServer.ts'
import { publish, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('client package')
const root = join(import.meta.dirname, '..', '..')
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
let servers: TwoServers
let scratch: Awaited<ReturnType<typeof scratchDir>>
let project: string

const run = (command: string, args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(command, args, { cwd: project, env: { ...process.env, ...env } }).catch((error) => {
    throw new Error(`${command} ${args.join(' ')}\n${error.stdout}${error.stderr}`)
  })

const compilerOptions = {
  ...{ module: 'nodenext', target: 'es2022', strict: true, exactOptionalPropertyTypes: true },
  ...{ types: ['node'], skipLibCheck: true, outDir: 'out' },
}

test.before(async () => {
  scratch = await scratchDir()
  project = scratch.dir
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, 'armada'), { recursive: true })
  await run(process.execPath, [join(root, 'infra', 'build.mjs'), '--types'])
  await run('npm', ['pack', root, '--ignore-scripts', '--pack-destination', project])
  const tarball = (await readdir(project)).find((name) => name.endsWith('.tgz')) as string
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'armada')])
  // What npm would install beside it.
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) {
    await mkdir(join(modules, name, '..'), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(modules, name)).catch(() => undefined)
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module' }))
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  servers = await startTwoServers()
  await publish(servers.a, 'openarena')
})
test.after(async () => {
  await servers?.stop()
  await scratch?.remove()
})

test('the example of the README compiles there, and does what it says', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const blocks = readme
    .split('```ts\n')
    .slice(1)
    .map((part) => part.split('\n```')[0] ?? '')
  const example = blocks.find((block) => block.includes("'armada/client'"))
  assert.ok(example, 'the README has no example of armada/client')
  await writeFile(join(project, 'example.ts'), example)
  await run(process.execPath, [tsc])
  const env = { ARMADA_API: servers.a.url, ARMADA_TOKEN: adminToken }
  const { stdout } = await run(process.execPath, ['out/example.js'], env)
  assert.match(stdout, /2 of 2 wait/)
  assert.match(stdout, /not_found: There is no blueprint "nothing"/)
})

test('its types are whole: what is wrong does not compile', async () => {
  const wrong = [
    `import { type Answer, answerOf, connect } from 'armada/client'`,
    `const armada = connect({ url: 'http://127.0.0.1:1' })`,
    `type Ship = Answer<Awaited<ReturnType<(typeof armada.v1.ships)[':ship']['$get']>>>`,
    `export const state: Ship['state'] = 'Ready'`,
    `// @ts-expect-error there is no such state`,
    `export const other: Ship['state'] = 'Asleep'`,
    `// @ts-expect-error a number is no blueprint`,
    `armada.v1.ships.$post({ json: { blueprint: 1 }, header: {} })`,
    `// @ts-expect-error there is no such route`,
    `armada.v1.shops.$get()`,
    `// @ts-expect-error an answer has no such field`,
    `answerOf(armada.v1.cluster.$get()).then((cluster) => cluster.colour)`,
  ]
  await writeFile(join(project, 'wrong.ts'), wrong.join('\n'))
  await run(process.execPath, [tsc, '--noEmit'])
})

test.run()
