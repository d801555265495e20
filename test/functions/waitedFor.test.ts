// Fleets that grow for those who wait, kept by the controllers.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { adminToken } from '../harness/apiServer.ts'
import { KeptFleets, patienceMs } from '../harness/keptFleets.ts'
import { publish } from '../harness/twoServers.ts'
import { until } from '../harness/until.ts'

const test = suite('waited for')
let fleets: KeptFleets

test.before(async () => {
  fleets = await KeptFleets.start({ scaled: true })
})
test.after(() => fleets?.stop())

type Wanted = Parameters<Client['v1']['allocations']['$post']>[0]['json']

async function take(json: Wanted) {
  const patient = connect({ url: fleets.servers.a.url, token: adminToken, limitMs: patienceMs })
  return (await answerOf(patient.v1.allocations.$post({ json, header: {} }))).allocations
}
const toZero = (max: number) => ({
  autoscale: { policy: { type: 'buffer', size: 0 }, max, down: { stabilisationMs: 600_000 } },
})

test('the fallback grows when the first fleet has as many ships in use as it may have', async () => {
  await fleets.sail('a-first', 0, toZero(1))
  await fleets.sail('b-second', 0, toZero(20))
  const either = { selectors: [{ fleet: 'a-first' }, { fleet: 'b-second' }], waitSeconds: 20 }
  assert.equal((await take(either))[0]?.fleet, 'a-first')
  assert.equal((await take(either))[0]?.fleet, 'b-second')
  await until(
    async () => (await fleets.get('b-second')).autoscaling?.why === '1 in use + 0 kept ready = 1',
    patienceMs,
  )
})

test('forty who wait for lobbies of sixteen get three of them', async () => {
  await publish(fleets.servers.a, 'lobby', { counters: { players: { count: 0, capacity: 16 } } })
  await fleets.sail('lobby', 0, { blueprint: 'lobby', ...toZero(50) })
  const seat = {
    selectors: [
      { fleet: 'lobby', state: 'Allocated' as const, counters: { players: { minAvailable: 1 } } },
      { fleet: 'lobby' },
    ],
    counters: { players: { add: 1 } },
    waitSeconds: 20,
  }
  const seated = await Promise.all(Array.from({ length: 40 }, () => take(seat)))
  assert.equal(new Set(seated.flat().map(({ ship }) => ship)).size, 3)
  const { replicas } = await fleets.get('lobby')
  assert.ok(replicas <= 4, `${replicas} ships were ordered`)
})

test.run()
