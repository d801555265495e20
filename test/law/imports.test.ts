// The law of who may know whom: by reachability of imports, without a cycle, every layer downwards only.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { suite } from 'uvu'
import { sourceFiles } from '../harness/sources.ts'

const test = suite('imports')
const folders = ['functions', 'agent', 'shared', 'infra']
const files = sourceFiles(folders)

interface Imports {
  /** Files of this repository that are loaded with this one. */
  files: string[]
  /** The same and those that only types are taken from. */
  withTypes: string[]
  packages: string[]
}

const pattern =
  /^(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm

function importsOf(file: string): Imports {
  const found: Imports = { files: [], withTypes: [], packages: [] }
  for (const [, type, stated, dynamic] of readFileSync(file, 'utf8').matchAll(pattern)) {
    const target = (stated ?? dynamic) as string
    if (target.startsWith('.')) {
      const path = normalize(join(dirname(file), target))
      found.withTypes.push(path)
      if (!type) found.files.push(path)
    } else if (!type && !target.startsWith('node:')) {
      found.packages.push(
        target
          .split('/')
          .slice(0, target.startsWith('@') ? 2 : 1)
          .join('/'),
      )
    }
  }
  return found
}

const graph = new Map(files.map((file) => [file, importsOf(file)]))

/** Everything that is loaded when the file is, with one way to it. */
function reachable(from: string): Map<string, string> {
  const way = new Map([[from, from]])
  for (const file of way.keys()) {
    const { files: next, packages } = graph.get(file) ?? { files: [], packages: [] }
    for (const target of [...next, ...packages])
      if (!way.has(target)) way.set(target, `${way.get(file)} → ${target}`)
  }
  return way
}

function neverReaches(starts: readonly string[], forbidden: (target: string) => boolean): void {
  assert.ok(starts.length > 0, 'no file to start from')
  for (const start of starts) {
    for (const [target, way] of reachable(start)) assert.ok(!forbidden(target), way)
  }
}

const below = (folder: string) => files.filter((file) => file.startsWith(`${folder}/`))
const isIn = (folder: string) => (target: string) => target.startsWith(`${folder}/`)
const isOne =
  (...names: string[]) =>
  (target: string) =>
    names.includes(target)
const either =
  (...tests: ((target: string) => boolean)[]) =>
  (target: string) =>
    tests.some((one) => one(target))

test('every import of a file leads to a file', () => {
  assert.ok(files.length > 50)
  for (const [file, { withTypes }] of graph) {
    for (const target of withTypes)
      assert.ok(
        graph.has(target) || target.endsWith('.js') || target.endsWith('.json'),
        `${file} → ${target}`,
      )
  }
})

test('shared/ knows nobody above it, also not by type', () => {
  for (const file of below('shared')) {
    for (const target of graph.get(file)?.withTypes ?? [])
      assert.ok(target.startsWith('shared/'), `${file} → ${target}`)
  }
})

test('only the ApiServer reaches etcd and Redis', () => {
  const stores = isOne('etcd3', 'ioredis', 'cockatiel')
  neverReaches(
    [...below('functions/runners'), ...below('agent'), ...below('shared')],
    either(stores, isIn('functions/stores')),
  )
  const holders = files.filter((file) => graph.get(file)?.packages.some(stores))
  for (const file of holders) assert.match(file, /^functions\/stores\//)
})

test('functions/ and agent/ never meet; runners stand on shared/ alone', () => {
  neverReaches(below('functions'), isIn('agent'))
  neverReaches(below('agent'), isIn('functions'))
  neverReaches(
    below('functions/runners'),
    (target) => isIn('functions')(target) && !isIn('functions/runners')(target),
  )
  neverReaches([...below('functions'), ...below('agent'), ...below('shared')], isIn('infra'))
})

test('Worker, Advisor, Sessions and SDK never import each other', () => {
  neverReaches(below('agent/worker'), isIn('agent/advisor'))
  neverReaches(below('agent/advisor'), isIn('agent/worker'))
  neverReaches(below('agent/sessions'), either(isIn('agent/worker'), isIn('agent/advisor')))
  neverReaches(below('agent/sdk'), either(isIn('agent/worker'), isIn('agent/advisor'), isIn('agent/docker')))
  const halves = [...below('agent/worker'), ...below('agent/advisor')]
  neverReaches(halves, either(isIn('agent/sessions'), isIn('agent/sdk')))
})

test('the Advisor and the ships speak to no ZooKeeper; Docker is driven from one folder', () => {
  neverReaches(below('agent/advisor'), either(isOne('zookeeper'), isIn('shared/zookeeper')))
  for (const file of files.filter((file) => graph.get(file)?.packages.includes('dockerode')))
    assert.match(file, /^agent\/docker\//)
  for (const file of files.filter((file) => graph.get(file)?.packages.includes('zookeeper')))
    assert.match(file, /^shared\/zookeeper\//)
})

test('inside functions/: entries → app → services → stores', () => {
  neverReaches(below('functions/stores'), either(isIn('functions/services'), isIn('functions/middleware')))
  neverReaches(
    below('functions/services'),
    isOne('functions/app.ts', 'functions/node.ts', 'functions/edge.ts'),
  )
  neverReaches([...below('functions/services'), ...below('functions/middleware')], isIn('functions/runners'))
})

test('the edge loads nothing that runs on Node alone, and can write to no store', () => {
  neverReaches(
    ['functions/edge.ts'],
    either(
      isOne('zookeeper', 'etcd3', 'cockatiel', 'undici', 'pino', '@hono/node-server'),
      isOne(
        'functions/node.ts',
        'functions/app.ts',
        'functions/stores/stores.ts',
        'functions/stores/etcd/etcd.ts',
      ),
      isOne(
        'functions/stores/keeper/dispatch.ts',
        'functions/stores/mirror/mirror.ts',
        'functions/stores/epochs.ts',
      ),
      isIn('shared/zookeeper'),
    ),
  )
})

test('no file imports itself in a circle', () => {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) assert.fail([...path.slice(path.indexOf(file)), file].join(' → '))
    if (done.has(file)) return
    for (const next of graph.get(file)?.withTypes ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
})

test('no drawers: names that say nothing, and files that only pass on', () => {
  for (const file of files) {
    assert.doesNotMatch(file, /\/(utils?|common|lib|helpers?|misc|index|types)(\.ts$|\/)/)
    assert.match(
      readFileSync(file, 'utf8'),
      /^(#!.*\n)?\/\/ \S/,
      `${file} does not say in its first line what it is for`,
    )
  }
})

test.run()
