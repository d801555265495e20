// One trace from a request to the game and back: record, ticket, job, reports, and the logs of everyone on the way.
import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { idle, imageOf } from '../../infra/quickstart/games.ts'
import { answerOf, connect } from '../../shared/api/client.ts'
import { createLog } from '../../shared/log.ts'
import { decodeJobs } from '../../shared/model/job.ts'
import { decodeTickets } from '../../shared/model/ticket.ts'
import { newTrace, type Trace } from '../../shared/trace.ts'
import { ZooKeeper } from '../../shared/zookeeper/client.ts'
import { paths } from '../../shared/zookeeper/paths.ts'
import { adminToken } from '../harness/apiServer.ts'
import { Cluster, zookeeperSecret } from '../harness/cluster.ts'

const test = suite('one trace')
let cluster: Cluster
let zk: ZooKeeper

test.before(async () => {
  cluster = await Cluster.start([idle])
  zk = await ZooKeeper.connect({
    servers: cluster.stack.zookeeper.address,
    secret: zookeeperSecret,
    log: createLog('test', 'silent'),
  })
  await cluster.addHost('host-a')
  const json = {
    image: imageOf(idle),
    ports: [{ name: 'game', containerPort: 7777 }],
    resources: { cpuMillis: 10, memoryMiB: 16 },
    lifecycle: { graceMs: 1_000 },
  }
  const param = { blueprint: 'idle' }
  await answerOf(cluster.client.v1.blueprints[':blueprint'].$put({ param, json }))
})

test.after(async () => {
  await zk?.close()
  await cluster?.stop()
})

const clientIn = (trace: Trace) => connect({ url: cluster.url, token: adminToken, trace: () => trace })

/** What a process said about a trace, alone or among others. */
function saidOf(process: string, { id }: Trace): string[] {
  const isOfIt = ({ traceId, traceIds }: Record<string, unknown>) =>
    traceId === id || (Array.isArray(traceIds) && traceIds.includes(id))
  return cluster
    .logOf(process)
    .filter(isOfIt)
    .map(({ msg, method, route }) => (route ? `${method} ${route}` : String(msg)))
}

const said = (process: string, trace: Trace, ...lines: string[]) =>
  cluster.until(`${process} has logged: ${lines.join(', ')}`, 30_000, async () => {
    const all = saidOf(process, trace)
    return lines.every((line) => all.includes(line)) && all
  })

async function ticketsInQueue() {
  const names = (await zk.children(paths.schedulerQueue)) ?? []
  const found = await Promise.all(names.map((name) => zk.get(`${paths.schedulerQueue}/${name}`)))
  return found.flatMap((node) => (node ? decodeTickets(node.data) : []))
}

async function jobsOf(host: string) {
  const box = await zk.get(paths.workerQueue(host))
  return box ? decodeJobs(box.data) : []
}

test('the trace of a request is that of ticket, job, claim and report, and stands in every log', async () => {
  const [one, other] = [newTrace(), newTrace()]
  await cluster.scheduler.stop()
  const json = { blueprint: 'idle', count: 2 }
  const { ships } = await answerOf(clientIn(one).v1.ships.$post({ json, header: {} }))
  const late = await answerOf(clientIn(other).v1.ships.$post({ json: { blueprint: 'idle' }, header: {} }))
  const wanted = new Map([...ships, ...late.ships].map(({ id, traceId }) => [id, traceId]))
  assert.deepEqual([...wanted.values()], [one.id, one.id, other.id])

  const tickets = await ticketsInQueue()
  assert.deepEqual(new Map(tickets.map(({ ship, traceId }) => [ship, traceId])), wanted)

  await cluster.scheduler.restart()
  await cluster.until('all are Ready', 60_000, async () => {
    const all = await cluster.ships()
    return all.length === 3 && all.every(({ state }) => state === 'Ready')
  })
  const jobs = await jobsOf('host-a')
  assert.deepEqual(new Map(jobs.map(({ ship, traceId }) => [ship, traceId])), wanted)

  for (const trace of [one, other]) {
    await said('scheduler', trace, 'ships placed')
    await said('agent-host-a', trace, 'ship started', 'ship is ready')
    const routes = [
      'POST /v1/ships',
      'POST /v1/placements',
      'POST /v1/monitor/claims',
      'POST /v1/monitor/reports',
    ]
    await said('api', trace, ...routes)
  }
})

test('who stops a ship gives it another trace, to its very end', async () => {
  const trace = newTrace()
  const [ship] = await cluster.ships()
  assert.ok(ship)
  const request = clientIn(trace).v1.ships[':ship'].$delete({ param: { ship: ship.id }, header: {} })
  assert.equal((await answerOf(request)).traceId, trace.id)
  await cluster.until('it has stopped', 30_000, async () =>
    (await cluster.ships()).some(({ id, state }) => id === ship.id && state === 'Stopped'),
  )
  const stops = (await jobsOf('host-a')).filter(({ kind }) => kind === 'stop')
  assert.deepEqual(
    stops.map((job) => [job.ship, job.traceId]),
    [[ship.id, trace.id]],
  )
  await said('agent-host-a', trace, 'ending a ship', 'ship ended')
  await said('api', trace, 'DELETE /v1/ships/:ship', 'POST /v1/monitor/reports')
})

test('the ships of a fleet are of the trace of who made it, and stop in that of who deletes it', async () => {
  const [made, deleted] = [newTrace(), newTrace()]
  const json = { name: 'lobby', blueprint: 'idle', replicas: 1 }
  await answerOf(clientIn(made).v1.fleets.$post({ json }))
  const [ship] = await cluster.fleetReady('lobby', 1, 60_000)
  assert.equal(ship?.traceId, made.id)
  await said('scheduler', made, 'ships placed')
  await answerOf(clientIn(deleted).v1.fleets[':fleet'].$delete({ param: { fleet: 'lobby' }, header: {} }))
  await said('agent-host-a', deleted, 'ending a ship', 'ship ended')
})

test.run()
