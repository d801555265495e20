// Measures what the agent of a full host takes when nothing changes: `npm run bench:agent [-- ships minutes]`.
//
// The agent as it is built, on a dockerd of its own; every ship is a container on the bridge that speaks the
// official Agones SDK, and pings. The load of the machine stands beside the figures.
import { loadavg } from 'node:os'
import { sleep } from '../../../shared/loop.ts'
import { Cluster } from '../../harness/cluster.ts'
import { cpuMsOf, rssMiBOf } from './measured.ts'
import { end, post, putSdkGame, ready } from './ships.ts'

const [shipCount = 100, minutes = 5] = process.argv.slice(2, 4).map(Number)
/** At a time, so that the starts of so many Nodes do not stand in each other's way. */
const perPost = 10
/** MB of 10^6 bytes, at any moment from the first ship's start on; CPU once the first minute is over. */
const goal = { rssMB: 85, cpuPercent: 2 }

function show(what: string, figures: string): void {
  const load = `load ${loadavg()[0]?.toFixed(1)}`
  process.stdout.write(`${what.padEnd(34)}${figures.padEnd(58)}${load.padStart(10)}\n`)
}

function inMB(MiB: number): number {
  return MiB * 1.048_576
}

function said(rssMiB: number): string {
  return `${rssMiB.toFixed(1)} MiB (${inMB(rssMiB).toFixed(1)} MB) RSS`
}

const cluster = await Cluster.start([], { logLevel: 'info' })
try {
  await putSdkGame(cluster, 'game')
  const agent = await cluster.addHost('alpha', { cpuMillis: 64_000, memoryMiB: 64_000 })
  const pid = agent.pid as number
  let mostMiB = 0
  const rss = () => {
    const nowMiB = rssMiBOf(pid)
    mostMiB = Math.max(mostMiB, nowMiB)
    return said(nowMiB)
  }
  show('agent, no ships', rss())
  const ids: string[] = []
  while (ids.length < shipCount) {
    const some = await post(cluster, 'game', Math.min(perPost, shipCount - ids.length))
    ids.push(...some)
    await ready(cluster, ids, 300_000)
    rss()
  }
  show(`${shipCount} ships Ready`, rss())
  await sleep(30_000)
  const engine = cluster.docker.pid as number
  const begin = { ms: performance.now(), agent: cpuMsOf(pid), engine: cpuMsOf(engine) }
  const share = (of: number, since: typeof begin, usedMs: number) =>
    (100 * (cpuMsOf(of) - usedMs)) / (performance.now() - since.ms)
  const percents: number[] = []
  for (let minute = 1; minute <= minutes; minute++) {
    const since = { ms: performance.now(), agent: cpuMsOf(pid), engine: cpuMsOf(engine) }
    for (let i = 0; i < 60; i++) {
      await sleep(1_000)
      rss()
    }
    percents.push(share(pid, since, since.agent))
    show(`quiet minute ${minute}`, `${rss()}, ${percents.at(-1)?.toFixed(2)} % of a core`)
  }
  show(
    `all ${minutes} quiet minutes`,
    `at most ${said(mostMiB)}, ${share(pid, begin, begin.agent).toFixed(2)} % of a core`,
  )
  show('dockerd meanwhile', `${share(engine, begin, begin.engine).toFixed(2)} % of a core`)
  await ready(cluster, ids, 1_000)
  const mostPercent = Math.max(...percents.slice(minutes > 1 ? 1 : 0))
  const isSlim = inMB(mostMiB) <= goal.rssMB
  const isIdle = mostPercent <= goal.cpuPercent
  process.stdout.write(
    `at most ${goal.rssMB} MB RSS: ${isSlim ? 'met' : 'NOT met'}\n` +
      `at most ${goal.cpuPercent} % of a core in each minute after the first: ${isIdle ? 'met' : 'NOT met'}\n`,
  )
  if (!isSlim || !isIdle) process.exitCode = 1
  await end(cluster, ids, 300_000)
} finally {
  await cluster.stop()
}
process.exit()
