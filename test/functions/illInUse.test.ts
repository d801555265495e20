// Ships that fell ill while somebody had them: a policy counts them as in use, and a scale-down passes them over.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import { isFinished } from '../../shared/model/shipState.ts'
import { KeptFleets, patienceMs, readyOf } from '../harness/keptFleets.ts'
import { until } from '../harness/until.ts'

const test = suite('ill in use')
let fleets: KeptFleets

test.before(async () => {
  fleets = await KeptFleets.start({ scaled: true })
})
test.after(() => fleets?.stop())

test('a buffer is as large as it is to be, however many in use fall ill; idle ones that do are replaced', async () => {
  const autoscale = { policy: { type: 'buffer', size: 3 }, max: 50, down: { stabilisationMs: 0 } }
  const crew = await fleets.sail('duel', 3, { replicas: 3, autoscale })
  const look = () => fleets.get('duel')
  const take = async (count: number) => {
    const taken: string[] = []
    while (taken.length < count) taken.push((await crew.allocate()).ship)
    await until(() => readyOf(crew).length === 3, patienceMs)
    return taken
  }
  for (const ship of await take(3)) await crew.fallIll(ship)
  await take(3)
  await until(async () => (await look()).autoscaling?.why === '6 in use + 3 kept ready = 9', patienceMs)
  assert.deepEqual((await look()).ships, { Unhealthy: 3, Allocated: 3, Ready: 3 })
  await crew.fallIll(readyOf(crew)[0]?.id as string)
  await until(
    async () => (await look()).autoscaling?.why === '6 in use + 1 unwell + 3 kept ready = 10',
    patienceMs,
  )
  await until(() => readyOf(crew).length === 3, patienceMs)
})

test('a scale-down ends Ready ships when all that are ill were in use', async () => {
  const crew = await fleets.sail('dock', 10)
  const ill: string[] = []
  while (ill.length < 3) ill.push((await crew.allocate()).ship)
  for (const ship of ill) await crew.fallIll(ship)
  await fleets.patch('dock', { replicas: 7 })
  await until(() => readyOf(crew).length === 4, 20_000)
  assert.ok(ill.every((id) => crew.ships().some((ship) => ship.id === id && ship.state === 'Unhealthy')))
})

test('a fleet that is deleted ends them as well', async () => {
  const crew = await fleets.sail('wreck', 2)
  await crew.fallIll((await crew.allocate()).ship)
  await answerOf(fleets.api[':fleet'].$delete({ param: { fleet: 'wreck' }, header: {} }))
  await until(() => crew.ships().every(({ state }) => isFinished(state)), 20_000)
})

test.run()
