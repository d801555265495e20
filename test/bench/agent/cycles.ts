// Measures whether starts and stops of ships leave anything in the agent: `npm run bench:agent-cycles [-- real simulated]`.
//
// The agent as it is built. Real ships are containers on a dockerd of its own that speak the official Agones SDK;
// simulated ones get an SDK too, from an agent whose engine only says that it runs them (simulatedEngine.ts). Now and
// then nothing runs, all garbage is collected, and the heap is measured; RSS, open files, and active handles and timers
// stand beside it. What an agent remembers of ships that have left is bounded (keys of the last 5,000, say), and the
// bound is reached within the run: the slope is that of the second half.
import { join } from 'node:path'
import { freePort } from '../../../infra/stack/port.ts'
import { scratchDir } from '../../../infra/stack/scratch.ts'
import { sleep } from '../../../shared/loop.ts'
import { Cluster } from '../../harness/cluster.ts'
import { until } from '../../harness/until.ts'
import { heldBy, openFilesOf, rssMiBOf, slope } from './measured.ts'
import { end, post, putBlueprint, putSdkGame, ready } from './ships.ts'
import { startSimulatedEngine } from './simulatedEngine.ts'

const [realCycles = 300, simulatedCycles = 10_000] = process.argv.slice(2, 4).map(Number)
const pointCount = 10
const limitMs = 300_000

interface Round {
  cluster: Cluster
  blueprint: string
  pid: number
  inspectPort: number
  /** Nothing of the ships is left at the engine. */
  isEmpty: () => Promise<boolean>
}

/** Starts and stops so many ships, `atOnce` at a time. @returns heap and RSS along the way. */
async function cycle(round: Round, cycles: number, atOnce: number): Promise<[number, number, number][]> {
  const { cluster, blueprint, pid, inspectPort, isEmpty } = round
  const points: [number, number, number][] = []
  for (let done = 0, next = 0; ; ) {
    if (done >= next) {
      await sleep(5_000)
      const { heapMiB, resources } = await heldBy(inspectPort)
      const rssMiB = rssMiBOf(pid)
      points.push([done, heapMiB, rssMiB])
      const memory = `heap ${heapMiB.toFixed(2)} MiB, RSS ${rssMiB.toFixed(1)} MiB`
      const open = `${openFilesOf(pid)} files open, ${resources} handles and timers`
      process.stdout.write(`${String(done).padStart(8)} ${blueprint} cycles: ${memory}, ${open}\n`)
      next += cycles / pointCount
    }
    if (done >= cycles) return points
    const ids = await post(cluster, blueprint, Math.min(atOnce, cycles - done))
    await ready(cluster, ids, limitMs)
    await end(cluster, ids, limitMs)
    await until(isEmpty, limitMs)
    done += ids.length
  }
}

function show(name: string, cycles: number, points: [number, number, number][]): void {
  const half = points.filter(([done]) => done >= cycles / 2)
  const perCycle = slope(half.map(([done, heap]) => [done, heap * 1_024 * 1_024]))
  const rss = slope(half.map(([done, , rss]) => [done, rss]))
  process.stdout.write(
    `${cycles} cycles of ${name} ships: heap ${perCycle.toFixed(0)} bytes a cycle, RSS ${(rss * 1_000).toFixed(2)} MiB a thousand, over the second half\n`,
  )
}

const [cluster, scratch] = await Promise.all([
  Cluster.start([], { logLevel: 'info', forgetMs: 5_000 }),
  scratchDir('disk'),
])
try {
  if (realCycles > 0) {
    await putSdkGame(cluster, 'real')
    const inspectPort = await freePort()
    const agent = await cluster.addHost('alpha', { nodeArgs: [`--inspect=127.0.0.1:${inspectPort}`] })
    const isEmpty = async () => (await cluster.containers()).length === 0
    const round = { cluster, blueprint: 'real', pid: agent.pid as number, inspectPort, isEmpty }
    show('real', realCycles, await cycle(round, realCycles, 10))
    await agent.kill()
    cluster.agents.delete('alpha')
  }
  if (simulatedCycles > 0) {
    await putBlueprint(cluster, 'simulated', {
      ...{ image: 'simulated:1', network: 'host', probe: { type: 'none' }, sdk: 'agones' },
      placement: { host: 'beta' } as never,
      resources: { cpuMillis: 10, memoryMiB: 8 },
    })
    const inspectPort = await freePort()
    const docker = join(scratch.dir, 'engine.sock')
    const engine = await startSimulatedEngine(docker)
    const agent = await cluster.addHost('beta', {
      docker,
      // A port rests for a while after its ship.
      sdkPorts: '10000-19999',
      nodeArgs: [`--inspect=127.0.0.1:${inspectPort}`],
    })
    const isEmpty = async () => engine.size === 0
    const round = { cluster, blueprint: 'simulated', pid: agent.pid as number, inspectPort, isEmpty }
    show('simulated', simulatedCycles, await cycle(round, simulatedCycles, 100))
    if (engine.started !== simulatedCycles) throw new Error(`${engine.started} were started`)
    await agent.kill()
    await engine.close()
  }
} finally {
  await cluster.stop()
  await scratch.remove()
}
process.exit()
