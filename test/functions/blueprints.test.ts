// Differences of blueprints and the way back, on two ApiServers over real stores.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf } from '../../shared/api/client.ts'
import { differences } from '../../shared/model/difference.ts'
import type { ApiServer } from '../harness/apiServer.ts'
import { publish, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'

const test = suite('blueprints')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers()
})
test.after(() => servers?.stop())

const diff = ({ admin }: ApiServer, blueprint: string, from: number, to?: number) => {
  const query = { from: String(from), ...(to && { to: String(to) }) }
  return answerOf(admin.v1.blueprints[':blueprint'].diff.$get({ param: { blueprint }, query }))
}
const rollback = ({ admin }: ApiServer, blueprint: string, revision: number) =>
  answerOf(admin.v1.blueprints[':blueprint'].rollback.$post({ param: { blueprint }, json: { revision } }))

test('differences name the smallest parts, and keys with slashes', () => {
  const from = { a: 1, list: [{ x: 1 }, { x: 2 }], 'k/~': 'v', same: { b: [1], c: 2 } }
  const to = { list: [{ x: 1 }, { x: 3 }, 4], 'k/~': [], same: { c: 2, b: [1] } }
  assert.deepEqual(differences(from, to), [
    { path: '/a', from: 1, to: null },
    { path: '/k~1~0', from: 'v', to: [] },
    { path: '/list/1/x', from: 2, to: 3 },
    { path: '/list/2', from: null, to: 4 },
  ])
  assert.deepEqual(differences(from, from), [])
})

test('a revision is told apart from another, and an older one is published again as a new one', async () => {
  const { a, b } = servers
  const first = await publish(a, 'duel')
  await publish(a, 'duel', { env: { MAP: 'dm2' }, resources: { memoryMiB: 1_024 } })
  assert.deepEqual(await diff(b, 'duel', 1), {
    from: 1,
    to: 2,
    changes: [
      { path: '/env/MAP', from: null, to: 'dm2' },
      { path: '/resources/memoryMiB', from: 512, to: 1_024 },
    ],
  })
  const back = await rollback(b, 'duel', 1)
  assert.equal(back.revision, 3)
  assert.deepEqual(back.spec, first.spec)
  assert.deepEqual((await diff(a, 'duel', 1, 3)).changes, [])
  assert.equal((await rollback(a, 'duel', 1)).revision, 3, 'the latest says so already')
})

test('what is not there is named', async () => {
  const { a, b } = servers
  await refused(diff(a, 'duel', 1, 9), 'not_found', /no revision 9/)
  await refused(rollback(b, 'duel', 9), 'not_found', /no revision 9/)
  await refused(rollback(b, 'nothing', 1), 'not_found', /PUT/)
  await refused(diff(a, 'duel', 0), 'invalid_request', /from/)
})

test.run()
