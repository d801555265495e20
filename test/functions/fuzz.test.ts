// Ten thousand requests made from the API's own document, at two ApiServers behind a load balancer that alternates.
//
// ARMADA_FUZZ_SEED=n makes other requests, ARMADA_FUZZ_REQUESTS=n more or fewer of them. Every fault is shown with the
// request as it went out.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import type { Document } from '../../functions/docs/document.ts'
import { startApi } from '../../infra/processes.ts'
import { freePort } from '../../infra/stack/port.ts'
import { scratchDir } from '../../infra/stack/scratch.ts'
import type { Server } from '../../infra/stack/server.ts'
import { type Stack, startStack } from '../../infra/stack/stack.ts'
import { allOf, answerOf, connect } from '../../shared/api/client.ts'
import { OfficeName } from '../../shared/api/offices.ts'
import { createLog } from '../../shared/log.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { each } from '../../shared/zookeeper/persistence.ts'
import { adminToken, metricsToken, runnerToken } from '../harness/apiServer.ts'
import { Changes } from '../harness/fuzz/changes.ts'
import { Judge } from '../harness/fuzz/judge.ts'
import { Memory } from '../harness/fuzz/memory.ts'
import { describe, Gun, type Outcome } from '../harness/fuzz/send.ts'
import { kinds, type Shot, shotsAt, targetsOf } from '../harness/fuzz/shots.ts'
import { LoadBalancer } from '../harness/loadBalancer.ts'
import { takeOver } from '../harness/office.ts'
import { describeHost } from '../harness/twoServers.ts'

const test = suite('fuzz')
const log = createLog('test', 'silent')
const seed = Number(process.env.ARMADA_FUZZ_SEED ?? 20_261_122)
const wanted = Number(process.env.ARMADA_FUZZ_REQUESTS ?? 10_000)
const atOnce = 16
const tokensEach = 8

let scratch: Awaited<ReturnType<typeof scratchDir>>
let stack: Stack
let servers: { url: string; server: Server }[] = []
let balancer: LoadBalancer
let changes: Changes
let zk: ZooKeeper

test.before(async () => {
  scratch = await scratchDir()
  stack = await startStack({ dir: scratch.dir, profile: 'fast', log })
  const { etcd, redis, zookeeper } = stack
  const stores = { etcd: etcd.address, redis: redis.address, zookeeper: zookeeper.address }
  const settings = { ...stores, adminToken, runnerToken, metricsToken, queueLimit: 1_000_000 }
  servers = await Promise.all(
    ['one', 'two'].map(async (name) => {
      const listenPort = await freePort()
      const launch = {
        dir: join(scratch.dir, name),
        dist: join(import.meta.dirname, '..', '..', 'dist'),
        endWithParent: true,
        log,
      }
      const server = await startApi({ ...settings, listenPort, logLevel: 'warn' as const }, launch)
      return { url: `http://127.0.0.1:${listenPort}`, server }
    }),
  )
  balancer = await LoadBalancer.start(servers.map(({ url }) => url))
  zk = await ZooKeeper.connect({ servers: zookeeper.address, log })
  changes = await Changes.open(etcd.address, zookeeper.address, log)
})
test.after(async () => {
  await changes?.close()
  await zk?.close()
  await balancer?.close()
  for (const { server } of servers) await server.kill()
  await stack?.stop()
  await scratch?.remove()
})

/** A small world, so that right requests find something. */
async function settle(memory: Memory): Promise<void> {
  const admin = connect({ url: balancer.url, token: adminToken })
  for (const blueprint of ['arena', 'duel']) {
    const json = { image: 'game:1', ports: [{ name: 'game', containerPort: 27_960 }] }
    memory.learn(
      '/v1/blueprints',
      await answerOf(admin.v1.blueprints[':blueprint'].$put({ param: { blueprint }, json })),
    )
    memory.note('blueprint', blueprint)
  }
  for (const host of ['north', 'south', 'east']) {
    const { token } = await answerOf(admin.v1.hosts['join-tokens'].$post({ json: { host } }))
    const joined = await answerOf(admin.v1.monitor.join.$post({ json: { token, host: describeHost(host) } }))
    memory.note('host', host)
    memory.note('id', host)
    memory.note('credential', joined.credential)
  }
  for (const role of ['viewer', 'allocator', 'operator'] as const) {
    // Some of them will be revoked.
    for (let i = 0; i < tokensEach; i++) {
      const made = await answerOf(admin.v1.tokens.$post({ json: { name: `${role}-${i}`, role } }))
      memory.note(role, made.secret)
    }
  }
  const runner = connect({ url: balancer.url, token: runnerToken })
  for (const office of OfficeName.options) memory.note('epoch', await takeOver(zk, office, runner))
  const json = { name: 'lobby', blueprint: 'arena', replicas: 3 }
  memory.learn('/v1/fleets', await answerOf(admin.v1.fleets.$post({ json })))
  memory.learn(
    '/v1/ships',
    await answerOf(admin.v1.ships.$post({ json: { blueprint: 'arena', count: 8 }, header: {} })),
  )
}

/**
 * All requests, in volleys of one kind that go at every route once. Made one volley after another: all at once would
 * hold up everything else in this process for seconds.
 */
function* volleys(document: Document): Generator<Shot[]> {
  const targets = targetsOf(document)
  const arbitraries = kinds.map((kind) => targets.map((target) => shotsAt(target, document, kind)))
  for (let round = 0; round * targets.length * kinds.length < wanted; round++) {
    for (const [k, shots] of arbitraries.entries()) {
      yield shots.flatMap((shot, t) => {
        return fc.sample(shot, { seed: seed + 1_000_000 * k + 10_000 * t + round, numRuns: 1 })
      })
    }
  }
}

test('no 5xx, no hang, nothing changed by a refusal, every answer as documented', async () => {
  const document = (await (await fetch(`${balancer.url}/openapi.json`)).json()) as Document
  const judge = new Judge(document)
  const memory = new Memory()
  await settle(memory)
  let turn = 0
  const oneOf = (name: string) => () => memory.of(name)[turn++ % memory.of(name).length] as string
  const gun = new Gun(balancer.url, memory, {
    ...{ nobody: () => undefined, impostor: () => 'armada-host.north.forged', admin: () => adminToken },
    ...{ viewer: oneOf('viewer'), allocator: oneOf('allocator'), operator: oneOf('operator') },
    ...{ runner: () => runnerToken, host: oneOf('credential'), scraper: () => metricsToken },
  })
  /** What went wrong -> the request that showed it first. */
  const faults = new Map<string, string>()
  const found = (what: string, how: string) => faults.has(what) || faults.set(what, how)
  const statuses = new Map<number, number>()
  let [requests, refusals, proven, slowestMs] = [0, 0, 0, 0]

  const fire = async (shot: Shot, again?: Outcome): Promise<Outcome | undefined> => {
    try {
      const outcome = await (again ? gun.send(shot, again.sent) : gun.fire(shot))
      requests++
      slowestMs = Math.max(slowestMs, outcome.ms)
      statuses.set(outcome.status, (statuses.get(outcome.status) ?? 0) + 1)
      const fault = judge.fault(outcome)
      if (fault) found(fault, shown(outcome))
      else if (outcome.status < 300 && outcome.text && shot.onTarget) {
        if (outcome.contentType.endsWith('json')) memory.learn(shot.target.path, JSON.parse(outcome.text))
      }
      return outcome
    } catch (error) {
      found(String(error), '')
      return undefined
    }
  }

  for (const volley of volleys(document)) {
    let outcomes: Outcome[] = []
    const noted = await changes.during(() =>
      each(volley, atOnce, async (shot) => {
        const outcome = await fire(shot)
        if (outcome) outcomes.push(outcome)
      }),
    )
    let refused = outcomes.filter(changesNothing)
    refusals += refused.length
    // Those beside which nothing was accepted are proven by the volley itself; others are sent again by themselves.
    let changed = noted
    for (let tries = 0; tries < 4 && refused.length > 0; tries++) {
      if (refused.length === outcomes.length) {
        proven += refused.length
        const all = refused.map((one) => `${one.status} ${describe(one.sent)}`).join('\n  ')
        if (changed.length > 0) found(`a refusal changed ${changed.slice(0, 3)}`, `one of\n  ${all}`)
        break
      }
      outcomes = []
      const asked = refused
      changed = await changes.during(() =>
        each(asked, atOnce, async (before) => {
          const outcome = await fire(before.shot, before)
          if (outcome) outcomes.push(outcome)
        }),
      )
      refused = outcomes.filter(changesNothing)
    }
    if (faults.size >= 20 || requests >= wanted) break
  }
  await gun.close()
  const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  console.log(
    `seed ${seed}: ${requests} requests, ${refusals} to change nothing, slowest ${Math.round(slowestMs)} ms`,
  )
  console.log(`  ${counts.join(', ')}; of the refusals ${proven} were looked at by themselves`)
  if (faults.size > 0) assert.fail([...faults].map((one) => one.join('\n  ')).join('\n\n'))
  assert.ok(requests >= wanted)
  assert.ok(proven >= 0.9 * refusals, `${proven} of ${refusals}`)
})

test('afterwards both servers live, and show the same', async () => {
  const lists = await Promise.all(
    servers.map(async ({ url }) => {
      const admin = connect({ url, token: adminToken })
      assert.equal((await answerOf(admin.readyz.$get())).ready, true)
      const latest = (page: object) => ({ ...page, consistent: 'true' }) as never
      return {
        ships: await allOf(
          (page) => admin.v1.ships.$get({ query: latest(page) }),
          ({ ships }) => ships.map(({ id, revision }) => `${id} ${revision}`),
        ),
        fleets: await allOf(
          (page) => admin.v1.fleets.$get({ query: latest(page) }),
          ({ fleets }) => fleets.map(({ name, revision }) => `${name} ${revision}`),
        ),
      }
    }),
  )
  assert.deepEqual(lists[0], lists[1])
})

function shown({ sent, status, contentType, text }: Outcome): string {
  return `${describe(sent)}\n  ${status} ${contentType} ${text.slice(0, 600)}`
}

/** It was refused, or it only looked. */
function changesNothing({ status, sent: { method } }: Outcome): boolean {
  return status >= 400 || method === 'GET' || method === 'HEAD'
}

test.run()
