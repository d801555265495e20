// Images that nobody needs are removed when the disk fills up; those of others, of ships and of the cluster stay.
import { isDeepStrictEqual } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ImageLog } from '../../agent/docker/imageLog.ts'
import { candidates } from '../../agent/worker/imageCleaner.ts'
import { sleep } from '../../shared/loop.ts'
import { repositoryOf, wholeReference } from '../../shared/model/image.ts'
import { until } from '../harness/until.ts'
import { type Dock, image, openDock } from './dock.ts'
import { type Registry, startRegistry } from './registry.ts'

const test = suite('agent: cleaning')
const host = 'cleaner'
/** The disk is taken for full all the time. */
const full = {
  ARMADA_IMAGE_HIGH_PERCENT: '0',
  ARMADA_IMAGE_LOW_PERCENT: '0',
  ARMADA_IMAGE_MIN_AGE_MS: '1000',
}
let dock: Dock
let registry: Registry

test.before(async () => {
  registry = await startRegistry()
  dock = await openDock()
})
test.after(async () => {
  await dock.close()
  registry.close()
})

const called = (name: string) => `${registry.address}/team/${name}:1`

async function tags(): Promise<string[]> {
  const images: { RepoTags: string[] | null }[] = JSON.parse(await dock.engine('GET', '/images/json'))
  return images.flatMap(({ RepoTags }) => RepoTags ?? [])
}

async function pullAhead(...names: string[]): Promise<void> {
  const { orders, pulls } = dock.monitor
  orders.set(
    host,
    names.map((name) => ({ pull: name, image: called(name), limitMs: 60_000 })),
  )
  await until(
    () => names.every((name) => pulls.some(({ pull, state }) => pull === name && state === 'Pulled')),
    60_000,
  )
}

test('with room on the disk, or switched off, nothing goes', async () => {
  const agent = await dock.startAgent(host, { ...full, ARMADA_IMAGE_HIGH_PERCENT: '100' })
  await pullAhead('first', 'second', 'needed', 'aboard', 'shared')
  await sleep(3_000)
  assert.is((await tags()).length, 6)
  assert.is(dock.monitor.samples.at(-1)?.sample.images !== undefined, true)
  await agent.kill()
})

test('a full disk: what nobody needs goes, by an agent that was started anew as well', async () => {
  // A stranger's image, one with a stranger's name as well, and a stranger's container of one of ours.
  await dock.engine(
    'POST',
    `/images/create?fromImage=${encodeURIComponent(`${registry.address}/team/strange`)}&tag=1`,
  )
  await dock.engine('POST', `/images/${called('shared')}/tag?repo=stranger/copy&tag=1`)
  await dock.engine('POST', '/containers/create?name=theirs', {
    Image: called('second'),
    Cmd: ['sleep', '1'],
  })
  dock.monitor.neededImages.add(called('needed'))
  const agent = await dock.startAgent(host, full)
  await dock.sendShip(host, 'sails', { image: called('aboard') })
  await dock.monitor.heard('sails', 'Ready', 30_000)
  await until(async () => !(await tags()).includes(called('first')), 60_000)
  await sleep(3_000)
  const left = ['second', 'needed', 'aboard', 'shared', 'strange'].map(called)
  assert.equal((await tags()).sort(), [...left, image, 'stranger/copy:1'].sort())
  assert.match(agent.output(), /an image that nobody needs was removed/)

  // Needed no more, and without their containers, they go.
  dock.monitor.neededImages.clear()
  await dock.engine('DELETE', '/containers/theirs?force=true')
  const ship = dock.monitor.ships.get('sails')
  if (ship) ship.state = 'Stopping'
  await dock.sendJobs(host, [{ kind: 'stop', ship: 'sails', attempt: 1 }])
  // Docker takes the tag first and then the rest: between them the image is listed without tags, or as `<none>`.
  const theirs = [called('shared'), called('strange'), image, 'stranger/copy:1'].sort()
  let listed: string[] = []
  const onlyTheirs = async () => {
    listed = (await tags()).sort()
    return isDeepStrictEqual(listed, theirs)
  }
  await until(onlyTheirs, 60_000).catch(() => assert.equal(listed, theirs))
  await agent.stop()
})

test('a ship finds its image gone and has it pulled again', async () => {
  const agent = await dock.startAgent(host, full)
  await dock.sendShip(host, 'returns', { image: called('first') })
  await dock.monitor.heard('returns', 'Ready', 30_000)
  await sleep(3_000)
  assert.ok((await tags()).includes(called('first')))
  await agent.stop()
})

test('while the ApiServer is away nothing goes', async () => {
  const agent = await dock.startAgent(host, full)
  dock.monitor.orders.clear()
  dock.monitor.pulls.length = 0
  dock.monitor.neededImages.add(called('later'))
  await pullAhead('later')
  dock.monitor.away = true
  dock.monitor.neededImages.clear()
  await sleep(4_000)
  assert.ok((await tags()).includes(called('later')))
  dock.monitor.away = false
  await until(async () => !(await tags()).includes(called('later')), 60_000)
  await agent.stop()
})

test('what somebody else removed and pulled again is theirs', async () => {
  const { samples } = dock.monitor
  const first = await dock.startAgent(host, { ...full, ARMADA_IMAGE_HIGH_PERCENT: '100' })
  const since = samples.length
  const count = () => samples.at(-1)?.sample.images ?? 0
  await until(() => samples.length >= since + 3, 60_000)
  const before = count()
  await pullAhead('lent')
  await until(() => count() === before + 1, 60_000)
  await dock.engine('DELETE', `/images/${called('lent')}`)
  await until(() => count() === before, 60_000)
  await first.stop()
  const from = encodeURIComponent(`${registry.address}/team/lent`)
  await dock.engine('POST', `/images/create?fromImage=${from}&tag=1`)
  const second = await dock.startAgent(host, full)
  await sleep(4_000)
  assert.ok((await tags()).includes(called('lent')))
  await second.stop()
})

test('which images may go, and in which order', async () => {
  const name = (text: string) => `docker.io/library/${text}`
  const log = new Map([
    [name('old:1'), { id: 'a', usedAtMs: 10 }],
    [name('older:1'), { id: 'b', usedAtMs: 5 }],
    [name('twice:1'), { id: 'c', usedAtMs: 1 }],
    [name('twice:2'), { id: 'c', usedAtMs: 20 }],
    [name('moved:1'), { id: 'd', usedAtMs: 1 }],
    [name('busy:1'), { id: 'f', usedAtMs: 1 }],
    [name('mixed:1'), { id: 'g', usedAtMs: 1 }],
  ])
  const digest = `@sha256:${'0'.repeat(64)}`
  const local = [
    { id: 'a', tags: [name('old:1')], digests: [name('old') + digest] },
    { id: 'b', tags: [name('older:1')], digests: [] },
    { id: 'c', tags: [name('twice:1'), name('twice:2')], digests: [] },
    // The name stands for another image now; a stranger's; one that a container has; one with a stranger's digest.
    { id: 'e', tags: [name('moved:1')], digests: [] },
    { id: 'h', tags: [name('theirs:1')], digests: [] },
    { id: 'f', tags: [name('busy:1')], digests: [] },
    { id: 'g', tags: [name('mixed:1')], digests: [name('other') + digest] },
  ]
  const found = candidates(local, new Set(['f']), log)
  assert.equal(
    found.map(({ names, usedAtMs }) => [names.length, usedAtMs]),
    [
      [1, 5],
      [1, 10],
      [2, 20],
    ],
  )
  assert.equal(found[1]?.references, [name('old:1'), name('old') + digest])
})

test('one reference for each image, as Docker reads them', async () => {
  assert.is(wholeReference('game'), 'docker.io/library/game:latest')
  assert.is(wholeReference('team/game:1'), 'docker.io/team/game:1')
  assert.is(wholeReference('docker.io/team/game'), 'docker.io/team/game:latest')
  assert.is(wholeReference('index.docker.io/team/game:1'), 'docker.io/team/game:1')
  assert.is(wholeReference('localhost/game'), 'localhost/game:latest')
  assert.is(wholeReference('r.example:5000/a/b'), 'r.example:5000/a/b:latest')
  assert.is(wholeReference('r.example:5000/a/b:1@sha256:0'), 'r.example:5000/a/b@sha256:0')
  assert.is(repositoryOf('r.example:5000/a/b:1'), 'r.example:5000/a/b')
  const log = await ImageLog.open('/nowhere/images.json')
  assert.is(log.size, 0)
})

test.run()
