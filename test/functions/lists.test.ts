// Lists: what selectors let through, and pages that stay right while things come, go and change.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { allOf, answerOf, connect } from '../../shared/api/client.ts'
import { sleep } from '../../shared/loop.ts'
import { fieldSelector, fieldsMatch } from '../../shared/model/fieldSelector.ts'
import { shipFields } from '../../shared/model/selectable.ts'
import { adminToken } from '../harness/apiServer.ts'
import {
  boardShips,
  joinHost,
  publish,
  refused,
  startTwoServers,
  type TwoServers,
} from '../harness/twoServers.ts'

const test = suite('lists')
let servers: TwoServers

test.before(async () => {
  servers = await startTwoServers({ queueLimit: 100_000 })
  await publish(servers.a, 'arena')
})
test.after(() => servers?.stop())

const make = async (count: number, labels: Record<string, string> = {}) => {
  const json = { blueprint: 'arena', count, labels }
  const { ships } = await answerOf(servers.a.admin.v1.ships.$post({ json, header: {} }))
  return ships.map(({ id }) => id)
}
const shipsWhere = (query: { fieldSelector?: string; labelSelector?: string }) =>
  allOf(
    (page) => servers.b.admin.v1.ships.$get({ query: { ...page, ...query, limit: '7' } }),
    ({ ships }) => ships.map(({ id }) => id),
  )
const hostsWhere = (selector: string) =>
  allOf(
    (page) => servers.b.admin.v1.hosts.$get({ query: { ...page, fieldSelector: selector } }),
    ({ hosts }) => hosts.map(({ id }) => id),
  )

test('a field selector is read as a label selector is, and knows its fields', () => {
  const ship = {
    ...{ id: 'arena-1', state: 'Ready', fleet: null, host: 'north', attempt: 2, priority: 50 },
    blueprint: { name: 'arena', revision: 12 },
  } as never
  const schema = fieldSelector(shipFields)
  const cases: Record<string, boolean> = {
    '': true,
    'state=Ready,host==north,attempt>1': true,
    'state in (Queued, Ready)': true,
    'state notin (Ready)': false,
    'host!=north': false,
    'fleet!=lobby': true,
    'fleet=': true,
    '!fleet,host': true,
    fleet: false,
    'blueprint.revision=12': true,
    'blueprint.revision>9,blueprint.revision<100': true,
    'attempt<2': false,
    moving: false,
    '!moving,moving=false,inUse!=true': true,
  }
  for (const [text, expected] of Object.entries(cases))
    assert.equal(fieldsMatch(shipFields, schema.parse(text), ship), expected, text)
  const wrong: Record<string, RegExp> = {
    'colour=red': /"colour" cannot be selected by; there are id, state, fleet/,
    'toString=x': /cannot be selected by/,
    'state=ready': /"ready" is no value of "state": write Queued, Scheduled/,
    'attempt=two': /a whole number/,
    'host>a': /"host" is no number/,
    'moving=maybe': /true or false/,
    'state in Ready': /no field expression/,
  }
  for (const [text, message] of Object.entries(wrong))
    assert.match(schema.safeParse(text).error?.issues[0]?.message ?? 'no error', message, text)
})

test('ships, fleets and hosts are selected by fields', async () => {
  const { a, b } = servers
  const { client } = await joinHost(a, 'north')
  await joinHost(a, 'south')
  const aboard = (await boardShips(a, client, 3)).sort()
  const waiting = (await make(2)).sort()
  assert.deepEqual(await shipsWhere({ fieldSelector: 'state=Ready,host=north,attempt<2' }), aboard)
  assert.deepEqual(await shipsWhere({ fieldSelector: 'state in (Queued),!host' }), waiting)
  assert.deepEqual(await shipsWhere({ fieldSelector: `id=${waiting[0]}` }), [waiting[0]])
  await answerOf(
    a.admin.v1.hosts[':host'].cordon.$post({ param: { host: 'south' }, json: { reason: 'test' } }),
  )
  assert.deepEqual(await hostsWhere('cordoned=true'), ['south'])
  assert.deepEqual(await hostsWhere('!cordoned,state=Online,ships=3'), ['north'])
  assert.deepEqual(await hostsWhere('draining'), [])
  for (const [name, replicas] of [
    ['few', 1],
    ['many', 90],
  ] as const)
    await answerOf(a.admin.v1.fleets.$post({ json: { name, blueprint: 'arena', replicas } }))
  const { fleets } = await answerOf(
    b.admin.v1.fleets.$get({ query: { fieldSelector: 'replicas>10,!deleting' } }),
  )
  assert.deepEqual(
    fleets.map(({ name }) => name),
    ['many'],
  )
  await refused(shipsWhere({ fieldSelector: 'colour=red' }), 'invalid_request', /there are id, state/)
})

test('a query that a route does not know is refused, and says what is known', async () => {
  const { url } = servers.a
  const headers = { authorization: `Bearer ${adminToken}` }
  const ask = async (path: string) => {
    const answer = await fetch(url + path, { headers })
    return `${answer.status} ${((await answer.json()) as { detail?: string }).detail ?? ''}`
  }
  assert.match(
    await ask('/v1/ships?stat=Ready'),
    /^400 In the query, stat: is not known .*it takes state, fleet,/,
  )
  assert.match(await ask('/v1/ships?fleet=a&flet=b'), /^400 In the query, flet: /)
  assert.match(await ask('/v1/whoami?x'), /^400 In the query, x: is not known here; it takes none\.$/)
  assert.match(await ask('/v1/ships?fleet=none&consistent=true'), /^200 /)
  assert.match(await ask('/healthz?now=1'), /^200 /)
})

test('fleets, hosts and blueprints come in pages as well', async () => {
  const { a, b } = servers
  for (let i = 0; i < 5; i++) {
    await publish(a, `page-${i}`)
    await joinHost(a, `page-${i}`)
    await answerOf(a.admin.v1.fleets.$post({ json: { name: `page-${i}`, blueprint: 'arena', replicas: 0 } }))
  }
  const lists = [
    (query: object) => answerOf(b.admin.v1.fleets.$get({ query })),
    (query: object) => answerOf(b.admin.v1.hosts.$get({ query })),
    (query: object) => answerOf(b.admin.v1.blueprints.$get({ query })),
  ] as const
  for (const list of lists) {
    const names: string[] = []
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await list({ limit: '2', ...(cursor && { cursor }) })
      const { nextCursor, ...things } = page as { nextCursor: string | null }
      const found = Object.values(things).flat() as unknown as { id?: string; name?: string }[]
      assert.ok(found.length === 2 || nextCursor === null)
      names.push(...found.map(({ id, name }) => id ?? name ?? ''))
      cursor = nextCursor
    }
    assert.deepEqual(names, [...new Set(names)].sort())
    assert.equal(names.filter((name) => name.startsWith('page-')).length, 5)
  }
})

test('a cursor that the list did not give is refused, and so is one of another list', async () => {
  const { b } = servers
  await make(5, { tier: 'gold' })
  const page = async (query: object) =>
    answerOf(b.admin.v1.ships.$get({ query: { limit: '2', ...query } as never }))
  const { nextCursor } = await page({ labelSelector: 'tier=gold' })
  const cursor = nextCursor as string
  assert.equal(
    (await page({ labelSelector: 'tier=gold', cursor, limit: '1', consistent: 'true' })).ships.length,
    1,
  )
  const plain = Buffer.from(cursor, 'base64url')
  const forged = [
    'arena',
    '',
    'x'.repeat(128),
    `${cursor}A`,
    cursor.slice(0, -1),
    `${cursor}==`,
    Buffer.concat([plain.subarray(0, 9), Buffer.from('zzz')]).toString('base64url'),
    Buffer.from('arena-00000000').toString('base64url'),
  ]
  for (const one of forged)
    await refused(page({ labelSelector: 'tier=gold', cursor: one }), 'invalid_request', /cursor/)
  for (const filters of [{}, { labelSelector: 'tier=iron' }, { labelSelector: 'tier=gold', state: 'Queued' }])
    await refused(page({ ...filters, cursor }), 'invalid_request', /same filters/)
  await refused(
    answerOf(b.admin.v1.fleets.$get({ query: { labelSelector: 'tier=gold', cursor } })),
    'invalid_request',
    /cursor/,
  )
})

test('pages while ships come, go and change: what matched all the time is seen once, and nothing twice', async () => {
  const { a, b } = servers
  const update = a.stores.ships
  const noFence = { conditions: [], check: async () => undefined }
  for (let round = 0; round < 3; round++) {
    const crew = `crew-${round}`
    const steady = new Set(await make(50, { crew }))
    const fleeting = await make(50, { crew })
    let busy = true
    const churn = async (turn: number): Promise<void> => {
      for (let i = turn; busy; i += 3) {
        const ship = fleeting[(i * 37) % fleeting.length] as string
        const deed = (i * 7 + round) % 4
        await sleep(5)
        if (deed === 0) fleeting.push(...(await make(2, { crew })))
        else if (deed === 1) {
          await update.update([ship], (one) => ({ ...one, state: 'Stopped' }))
          await update.forget([ship], () => true, noFence)
        } else await update.change(ship, ({ value }) => ({ ...value, labels: deed === 2 ? {} : { crew } }))
      }
    }
    const churning = [0, 1, 2].map(churn)
    try {
      for (const limit of ['2', '11']) {
        const seen: string[] = []
        for (let cursor: string | undefined, pages = 0; ; pages++) {
          const query = { labelSelector: `crew=${crew}`, limit, ...(cursor && { cursor }) }
          const page = await answerOf(b.admin.v1.ships.$get({ query }))
          seen.push(...page.ships.map(({ id }) => id))
          for (const { labels } of page.ships) assert.equal(labels.crew, crew)
          if (page.nextCursor === null) break
          cursor = page.nextCursor
          assert.ok(pages < 5_000)
        }
        assert.deepEqual(seen, [...new Set(seen)].sort(), 'in order, none twice')
        assert.equal(seen.filter((id) => steady.has(id)).length, steady.size, 'every steady ship')
      }
    } finally {
      busy = false
      await Promise.all(churning)
    }
  }
})

test('a client reads what it wrote and never sees less than before, whichever server answers', async () => {
  const { url } = servers.a
  const session = { revision: 0 }
  const own = connect({ url, token: adminToken, session })
  for (let i = 0; i < 100; i++) {
    const json = { blueprint: 'arena', labels: { turn: `t${i}` } }
    const [ship] = (await answerOf(own.v1.ships.$post({ json, header: {} }))).ships
    const listed = await answerOf(own.v1.ships.$get({ query: { labelSelector: `turn=t${i}` } as never }))
    assert.deepEqual(
      listed.ships.map(({ id }) => id),
      [ship?.id],
    )
    assert.ok(session.revision >= Number(ship?.revision))
  }
  // A store that was set back: the session goes on from what there is.
  session.revision = 10 ** 15
  await answerOf(own.v1.ships.$get({ query: { limit: '1' } as never }))
  assert.ok(session.revision < 10 ** 15)
  const headers = { authorization: `Bearer ${adminToken}`, 'x-armada-min-revision': '-1' }
  assert.equal((await fetch(`${url}/v1/ships`, { headers })).status, 400)
})

test.run()
