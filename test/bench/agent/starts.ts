// Measures how fast one host starts ships, beside plain calls of Docker's API: `npm run bench:starts [-- ships rounds]`.
//
// The same containers on the same engine, on the host's network; plain calls with several numbers of them in flight,
// the best of which counts. All are measured in turn, so that what else the machine does meets them alike, and all
// by Docker's own events of containers that have started.
import { availableParallelism, loadavg } from 'node:os'
import Dockerode from 'dockerode'
import { containerOptions } from '../../../agent/docker/options.ts'
import { Slots } from '../../../agent/slots.ts'
import { startsInFlight } from '../../../agent/worker/starting/start.ts'
import { scratchDir } from '../../../infra/stack/scratch.ts'
import { BlueprintSpec } from '../../../shared/model/blueprint.ts'
import { image, importBusybox } from '../../agent/dock.ts'
import { Cluster } from '../../harness/cluster.ts'
import { until } from '../../harness/until.ts'
import { median } from './measured.ts'
import { end, post, putBlueprint, ready } from './ships.ts'

const [count = 30, rounds = 7] = process.argv.slice(2, 4).map(Number)
/** The last is as many as the agent has. With 16 start 5 % more in a second, and the first of them 0.2 s later. */
const inFlight = [4, 8, startsInFlight(availableParallelism())]
/** Until the compiler is done with what runs here: it was a fifth of what the ApiServer took in the first rounds. */
const warmUps = 4
const leastPercent = 90
const limitMs = 120_000

const spec = BlueprintSpec.parse({
  ...{ image, command: ['sleep', '1000000'], network: 'host' },
  resources: { cpuMillis: 50, memoryMiB: 32 },
  probe: { type: 'none' },
  lifecycle: { graceMs: 0 },
})

interface Took {
  /** Until the first container had started. */
  firstMs: number
  /** Until all had. */
  runningMs: number
}

/** From the call of `begin` until so many containers have started. */
async function timed(docker: Dockerode, begin: () => Promise<unknown>): Promise<Took> {
  const events = await docker.getEvents({ filters: JSON.stringify({ event: ['start'] }) } as object)
  let started = 0
  let [firstMs, lastMs] = [0, 0]
  events.on('data', (chunk) => {
    started += String(chunk).split('\n').filter(Boolean).length
    lastMs = performance.now()
    firstMs ||= lastMs
  })
  const beginMs = performance.now()
  try {
    await begin()
    await until(() => started >= count, limitMs)
    return { firstMs: firstMs - beginMs, runningMs: lastMs - beginMs }
  } finally {
    ;(events as unknown as { destroy(): void }).destroy()
  }
}

async function plain(docker: Dockerode, lanes: number, round: number): Promise<Took> {
  const at = new Slots(lanes)
  const berth = { host: 'plain', address: '127.0.0.1', boot: 'bench', secretsDir: '/run/armada/plain' }
  const ids: string[] = []
  const one = async (i: number) => {
    const grant = {
      ...{
        ship: `plain-${i}`,
        attempt: round,
        state: 'Starting' as const,
        fleet: null,
        labels: {},
        ports: [],
      },
      ...{ blueprint: { name: 'tiny', revision: 1 }, spec },
    }
    const container = await docker.createContainer(containerOptions(grant, berth))
    ids.push(container.id)
    await container.start()
  }
  const all = () => Promise.all(Array.from({ length: count }, (_, i) => at.run(() => one(i))))
  const took = await timed(docker, all)
  await Promise.all(ids.map((id) => at.run(() => docker.getContainer(id).remove({ force: true }))))
  return took
}

async function ships(cluster: Cluster, docker: Dockerode): Promise<Took & { readyMs: number }> {
  let ids: string[] = []
  const beginMs = Date.now()
  const took = await timed(docker, async () => {
    ids = await post(cluster, 'tiny', count)
  })
  const views = await ready(cluster, ids, limitMs)
  const readyMs = Math.max(...views.map(({ readyAt }) => Date.parse(readyAt ?? ''))) - beginMs
  await end(cluster, ids, limitMs)
  await until(async () => (await docker.listContainers({ all: true })).length === 0, limitMs)
  return { ...took, readyMs }
}

function show(name: string, { firstMs, runningMs }: Took, more = ''): void {
  const figures = `first after ${firstMs.toFixed(0)} ms, running ${rate(runningMs).toFixed(1)}/s${more}`
  process.stdout.write(`${name.padEnd(20)}${figures.padEnd(60)}load ${loadavg()[0]?.toFixed(1)}\n`)
}

const rate = (tookMs: number) => (1_000 * count) / tookMs

const [cluster, scratch] = await Promise.all([Cluster.start([], { logLevel: 'info' }), scratchDir('disk')])
try {
  const docker = new Dockerode(cluster.docker.engine)
  await importBusybox(cluster.docker, scratch)
  await putBlueprint(cluster, 'tiny', spec)
  await cluster.addHost('alpha')
  for (let round = 1; round <= warmUps; round++) {
    await plain(docker, 8, round)
    await ships(cluster, docker)
  }
  const plains = new Map(inFlight.map((lanes) => [lanes, [] as Took[]]))
  const took: (Took & { readyMs: number })[] = []
  for (let round = warmUps + 1; round <= warmUps + rounds; round++) {
    for (const [lanes, all] of plains) {
      all.push(await plain(docker, lanes, round))
      show(`plain, ${lanes} in flight`, all.at(-1) as Took)
    }
    took.push(await ships(cluster, docker))
    const { readyMs } = took.at(-1) as { readyMs: number }
    show('ships', took.at(-1) as Took, `, Ready ${rate(readyMs).toFixed(1)}/s`)
  }
  const best = Math.max(
    ...[...plains.values()].map((all) => rate(median(all.map(({ runningMs }) => runningMs)))),
  )
  const running = rate(median(took.map(({ runningMs }) => runningMs)))
  const readied = rate(median(took.map(({ readyMs }) => readyMs)))
  const percent = (100 * running) / best
  const met = percent >= leastPercent
  process.stdout.write(
    `medians of ${rounds} rounds of ${count}: plain at its best ${best.toFixed(1)}/s, ships running ${running.toFixed(1)}/s, Ready ${readied.toFixed(1)}/s\n` +
      `from POST to running ${percent.toFixed(0)} % of plain; at least ${leastPercent} %: ${met ? 'met' : 'NOT met'}\n`,
  )
  if (!met) process.exitCode = 1
} finally {
  await cluster.stop()
  await scratch.remove()
}
process.exit()
