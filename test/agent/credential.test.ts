// The credential of a host is replaced on real ApiServers: nobody is locked out, wherever it is interrupted.
import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import { Credential } from '../../agent/credential.ts'
import { type Scratch, scratchDir } from '../../infra/stack/scratch.ts'
import { answerOf, type Client, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { describeHost, refused, startTwoServers, type TwoServers } from '../harness/twoServers.ts'
import { reasonOf, until } from '../harness/until.ts'

const test = suite('credential')
const log = createLog('test', 'silent')
let two: TwoServers
let scratch: Scratch

test.before(async () => {
  ;[two, scratch] = await Promise.all([startTwoServers(), scratchDir()])
})

test.after(async () => {
  await two?.stop()
  await scratch?.remove()
})

const fileOf = (host: string) => join(scratch.dir, host, 'credential.json')
const kept = async (host: string) => JSON.parse(await readFile(fileOf(host), 'utf8'))

/** As the agent of that host has it at its start. */
function open(host: string, joinToken?: string): Promise<Credential> {
  const { signal } = new AbortController()
  const stateDir = join(scratch.dir, host)
  return Credential.open({ stateDir, url: two.a.url, joinToken, host: describeHost(host), signal, log })
}

async function joined(host: string): Promise<Credential> {
  const { token } = await answerOf(two.a.admin.v1.hosts['join-tokens'].$post({ json: { host } }))
  return open(host, token)
}

const ask = (client: Client) => answerOf(client.v1.monitor.claims.$post({ json: { claims: [] } }))
const isGood = async (token: string, at = two.a) => (await reasonOf(ask(at.as(token)))) === undefined
const renewAt = (token: string, key?: string) =>
  answerOf(
    two.b
      .as(token)
      .v1.monitor.credential.$post({ header: key === undefined ? {} : { 'idempotency-key': key } }),
  )

test('it is replaced again and again while requests go on at all ApiServers, and none is refused', async () => {
  const credential = await joined('busy')
  const over = new AbortController()
  const clients = [two.a, two.b].map(({ url }) => connect({ url, token: () => credential.token }))
  const young = credential.keepYoung(1_500, over.signal)
  const seen = new Set<string>()
  const asking = clients.map(async (client) => {
    while (!over.signal.aborted) {
      seen.add(credential.token)
      await ask(client)
    }
  })
  await Promise.race([until(() => seen.size >= 4, 60_000), ...asking])
  over.abort()
  await Promise.all([young, ...asking])
  assert.equal((await kept('busy')).credential, credential.token)
  assert.equal((await stat(fileOf('busy'))).mode & 0o777, 0o600)
  // All but the last two are good no more.
  const [first = ''] = seen
  await until(async () => !(await isGood(first)) && !(await isGood(first, two.b)))
  assert.ok(await isGood(credential.token))
})

test('while it is young it is left alone', async () => {
  const credential = await joined('young')
  const { token } = credential
  const over = new AbortController()
  const young = credential.keepYoung(3_600_000, over.signal)
  await ask(connect({ url: two.a.url, token }))
  over.abort()
  await young
  assert.equal(credential.token, token)
})

test('the answer is lost: the credential stays good, and the lost one is good no more after the next try', async () => {
  const { token } = await joined('lost')
  const { credential: lost } = await renewAt(token)
  const again = await open('lost')
  await again.assertKnown()
  assert.equal(again.token, token)
  await again.renew()
  assert.ok(await isGood(again.token))
  for (const api of [two.a, two.b]) await until(async () => !(await isGood(lost, api)))
})

test('the same request repeated gives the same credential', async () => {
  const { token } = await joined('twice')
  const [one, other] = await Promise.all([renewAt(token, 'k1'), renewAt(token, 'k1')])
  assert.equal(one.credential, other.credential)
  assert.notEqual((await renewAt(token, 'k2')).credential, one.credential)
})

test('a crash between the file and the first use: the next start goes on with the new one', async () => {
  const { token } = await joined('crash')
  const { credential } = await renewAt(token)
  await writeFile(fileOf('crash'), JSON.stringify({ ...(await kept('crash')), credential, before: token }))
  const again = await open('crash')
  await again.assertKnown()
  assert.equal(again.token, credential)
  const record = (await two.a.stores.hosts.read('crash'))?.value
  assert.equal(record?.nextDigest, undefined)
  assert.ok(record?.previous)
})

test('the cluster does not know the new one, as after a restored backup: the one before is used', async () => {
  const { token } = await joined('restored')
  const credential = `${token.slice(0, -4)}lost`
  await writeFile(
    fileOf('restored'),
    JSON.stringify({ ...(await kept('restored')), credential, before: token }),
  )
  const again = await open('restored')
  await again.assertKnown()
  assert.equal(again.token, token)
  assert.equal((await kept('restored')).credential, token)
})

test('the one before is good for a minute after the first use of the next, and no longer', async () => {
  const { token } = await joined('minute')
  const { credential } = await renewAt(token)
  assert.ok(await isGood(token))
  assert.ok(await isGood(credential))
  assert.ok(await isGood(token))
  await two.a.stores.hosts.change('minute', ({ value }) => {
    const until = Date.parse(value.previous?.until ?? '')
    assert.ok(until > Date.now() && until <= Date.now() + 60_000)
    return { ...value, previous: { digest: value.previous?.digest ?? '', until: new Date().toISOString() } }
  })
  for (const api of [two.a, two.b]) await until(async () => !(await isGood(token, api)))
  assert.ok(await isGood(credential, two.b))
})

test('the file of an older agent is taken over, and its credential replaced soon', async () => {
  const { token } = await joined('older')
  const { host, credential, tokenDigest } = await kept('older')
  await mkdir(join(scratch.dir, 'older'), { recursive: true })
  await writeFile(fileOf('older'), JSON.stringify({ host, credential, tokenDigest }))
  const again = await open('older')
  assert.equal(again.token, token)
  const over = new AbortController()
  const young = again.keepYoung(86_400_000, over.signal)
  await until(() => again.token !== token)
  over.abort()
  await young
})

test('nobody but the host itself is told: neither its digests nor those to come are shown', async () => {
  const { token } = await joined('shown')
  await renewAt(token)
  const shown = await answerOf(two.a.admin.v1.hosts[':host'].$get({ param: { host: 'shown' } }))
  assert.doesNotMatch(JSON.stringify(shown), /digest|previous/i)
  await refused(answerOf(two.a.admin.v1.monitor.credential.$post({ header: {} })), 'forbidden')
})

test('a host that was removed is told so, and a new join ends all credentials of before', async () => {
  const removed = await joined('removed')
  await answerOf(two.a.admin.v1.hosts[':host'].$delete({ param: { host: 'removed' }, query: {} }))
  await until(async () => !(await isGood(removed.token)))
  await refused(removed.assertKnown(), 'unauthenticated', /was removed from the cluster/)
  const { token: first } = await joined('anew')
  const { credential: next } = await renewAt(first)
  const anew = await joined('anew')
  for (const old of [first, next])
    for (const api of [two.a, two.b]) await until(async () => !(await isGood(old, api)))
  assert.ok(await isGood(anew.token))
})

test.run()
