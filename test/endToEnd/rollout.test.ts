// A fleet is given an image that crashes, with real containers: it is rolled back, and says why.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { type Game, idle, imageOf } from '../../infra/quickstart/games.ts'
import { answerOf } from '../../shared/api/client.ts'
import { Cluster } from '../harness/cluster.ts'

const crashing: Game = { ...idle, name: 'crashing', start: 'echo no world found >&2\nexit 7\n' }
/** A busy machine takes longer than the second of the default to say that a container has ended. */
const minReadyMs = 5_000
const test = suite('rollout')
let cluster: Cluster

const publish = (image: string, probe: object) =>
  answerOf(
    cluster.client.v1.blueprints[':blueprint'].$put({
      param: { blueprint: 'lobby' },
      json: {
        ...{ image, probe: probe as never },
        resources: { cpuMillis: 10, memoryMiB: 16 },
        lifecycle: { graceMs: 1_000 },
      },
    }),
  )

test.before(async () => {
  cluster = await Cluster.start([idle, crashing])
  await Promise.all([cluster.addHost('host-a'), cluster.addHost('host-b')])
  await publish(imageOf(idle), { type: 'none' })
  await publish(imageOf(crashing), { type: 'log', pattern: 'ready' })
  await publish(imageOf(crashing), { type: 'none' })
  await publish(imageOf(idle), { type: 'log', pattern: 'ready' })
})

test.after(() => cluster?.stop())

test('an image that crashes, before it is Ready or after: back by itself, and the old ships serve all along', async () => {
  const { fleets } = cluster.client.v1
  const param = { fleet: 'lobby' }
  const json = { name: 'lobby', blueprint: 'lobby', revision: 1, replicas: 6 }
  await answerOf(fleets.$post({ json }))
  await cluster.fleetReady('lobby', 6, 60_000)
  for (const [revision, strategy] of [
    [2, { type: 'rolling', maxUnavailable: 1 }],
    [3, { type: 'rolling', maxUnavailable: 1, minReadyMs }],
    [3, { type: 'canary', percent: 20, maxFailures: 0, maxUnavailable: 0, minReadyMs }],
  ] as const) {
    let watching = true
    let fewest = 6
    const watch = (async () => {
      while (watching) {
        const serving = (await cluster.containers()).filter(({ Image }) => Image === imageOf(idle))
        fewest = Math.min(fewest, serving.length)
      }
    })()
    try {
      await answerOf(fleets[':fleet'].$patch({ param, json: { revision, strategy }, header: {} }))
      const { rollout, blueprint } = await cluster.until('it is rolled back', 120_000, async () => {
        const fleet = await answerOf(fleets[':fleet'].$get({ param }))
        return fleet.rollout?.state === 'rolled-back' && fleet
      })
      assert.equal(blueprint.revision, 1)
      assert.match(rollout?.reason ?? '', new RegExp(`failures? of revision ${revision}`))
      assert.match(rollout?.reason ?? '', /code 7/)
    } finally {
      watching = false
      await watch
    }
    assert.ok(fewest >= 5, `only ${fewest} of 6 ran at one time`)
    await cluster.fleetReady('lobby', 6, 60_000)
  }
  await answerOf(
    fleets[':fleet'].$patch({ param, json: { revision: 4, strategy: { type: 'rolling' } }, header: {} }),
  )
  await cluster.until('the one that is well is rolled out', 120_000, async () => {
    const { rollout } = await answerOf(fleets[':fleet'].$get({ param }))
    return rollout?.state === 'done'
  })
})

test.run()
