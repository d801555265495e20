// A rollout that people take back while it is under way, by naming the revision that it came from.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import type { Row } from '../../functions/stores/mirror/table.ts'
import type { Fleet } from '../../shared/model/fleet.ts'
import { isServing, KeptFleets, patienceMs } from '../harness/keptFleets.ts'
import { refused } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('rollouts taken back')
let fleets: KeptFleets

test.before(async () => {
  fleets = await KeptFleets.start()
})
test.after(() => fleets?.stop())

/** A fleet of four, one of them in use, of which three have come to revision 2. The first one breaks by then. */
async function halfway(name: string) {
  const crew = await fleets.sail(name, 4, { strategy: { type: 'rolling', minReadyMs: 0 } })
  await crew.allocate()
  await fleets.patch(name, { revision: 2 })
  const serving = (revision: number) =>
    crew.ships().filter((ship) => isServing(ship) && ship.blueprint.revision === revision).length
  await until(() => serving(2) === 3, patienceMs)
  crew.broken.add(1)
  return { crew, serving }
}
const failuresOf = async (name: string) => (await fleets.get(name)).rollout?.failures ?? 0

test('back to the old revision by its number is the way back, which no failure of it ends', async () => {
  const { crew, serving } = await halfway('quay')
  const { rollout } = await fleets.patch('quay', { revision: 1 })
  assert.deepEqual([rollout?.state, rollout?.from, rollout?.to], ['rolling-back', 2, 1])
  await refused(fleets.rollback('quay'), 'conflict', /on its way back to revision 1/)
  await until(async () => (await failuresOf('quay')) > 3, patienceMs)
  await until(async () => (await fleets.get('quay')).message !== null, patienceMs)
  crew.broken.delete(1)
  await fleets.patch('quay', { replicas: 6 })
  await until(() => serving(1) === 6, patienceMs)
  await fleets.reaches('quay', 'rolled-back')
})

test('a record of before, from a revision to itself, goes on; a rollback names where it is, or goes elsewhere', async () => {
  const { crew, serving } = await halfway('pier')
  await fleets.patch('pier', { revision: 1 })
  const { stores } = fleets.servers.direct[0]
  await until(async () => {
    const { value, revision } = (await stores.fleets.read('pier')) as Row<Fleet>
    const rollout = { ...value.rollout, state: 'rolling', from: 1, to: 1 }
    return (await stores.fleets.write({ ...value, rollout } as Fleet, revision)) !== undefined
  }, patienceMs)
  await until(async () => (await failuresOf('pier')) > 3, patienceMs)
  assert.equal((await fleets.get('pier')).rollout?.from, 1)
  crew.broken.delete(1)
  await fleets.patch('pier', { replicas: 6 })
  await until(() => serving(1) === 6, patienceMs)
  await refused(fleets.rollback('pier'), 'conflict', /has revision 1 already. Name/)
  await fleets.rollback('pier', { revision: 2 })
  await until(() => serving(2) === 5, patienceMs)
})

test.run()
