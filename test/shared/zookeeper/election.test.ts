// Elections with processes that are killed, frozen and stopped, on an ensemble that loses its own leader.
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLog } from '../../../shared/log.ts'
import { sleep } from '../../../shared/loop.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { stand } from '../../../shared/zookeeper/election.ts'
import { startChild } from '../../harness/child.ts'
import { TcpProxy } from '../../harness/tcpProxy.ts'
import { until } from '../../harness/until.ts'
import { ZooKeeperEnsemble } from '../../harness/zookeeper.ts'

const test = suite('zookeeper election')
const log = createLog('test', 'silent')
const sessionMs = 2_000
let ensemble: ZooKeeperEnsemble
let zk: ZooKeeper
let elections = 0
const candidates: Candidate[] = []

interface Reign {
  candidate: string
  epoch: number
  fromMs: number
  /** The last moment at which it knew of no end. */
  toMs: number
  ended: boolean
}

class Candidate {
  readonly id: string
  readonly process: ChildProcess
  readonly reigns: Reign[] = []

  constructor(path: string, id: string) {
    this.id = id
    const program = fileURLToPath(new URL('./candidate.ts', import.meta.url))
    const stdio: StdioOptions = ['ignore', 'pipe', 'inherit']
    const parameters = [ensemble.addresses, path, id, String(sessionMs)]
    this.process = startChild(process.execPath, ['--import', 'tsx', program, ...parameters], stdio)
    if (this.process.stdout) createInterface(this.process.stdout).on('line', (line) => this.#hear(line))
    candidates.push(this)
  }

  get leads(): boolean {
    return this.reigns.at(-1)?.ended === false
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    this.process.kill(name)
    if (name === 'SIGKILL' || name === 'SIGTERM') await once(this.process, 'exit')
  }

  #hear(line: string): void {
    const [what, epoch, microseconds] = line.split(' ')
    const atMs = Number(microseconds) / 1_000
    const reign = this.reigns.at(-1)
    if (what === 'lead') {
      this.reigns.push({ candidate: this.id, epoch: Number(epoch), fromMs: atMs, toMs: atMs, ended: false })
    } else if (reign) {
      assert.is(reign.ended, false, 'nothing is done after the end')
      if (what === 'alive') reign.toMs = atMs
      else reign.ended = true
    }
  }
}

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1_000
}

function freshPath(): string {
  return `/election/e${elections++}`
}

/** Starts candidates one after another, so that their order in the line is known. */
async function line(path: string, count: number): Promise<Candidate[]> {
  const started: Candidate[] = []
  for (let i = 0; i < count; i++) {
    started.push(new Candidate(path, `c${i}`))
    await until(async () => {
      // The test before this one may have taken a server away.
      await zk.connected(undefined, 10_000)
      return (await zk.children(path))?.length === i + 1
    })
  }
  return started
}

/** No two reigns overlap, and later ones have higher epochs, unless it is the same node again. */
function checkReigns(of: Candidate[]): void {
  const reigns = of.flatMap((candidate) => candidate.reigns).sort((a, b) => a.fromMs - b.fromMs)
  reigns.slice(1).forEach((reign, i) => {
    const before = reigns[i] as Reign
    const told = `${JSON.stringify(before)} and ${JSON.stringify(reign)}`
    assert.ok(reign.fromMs >= before.toMs, `overlap: ${told}`)
    assert.ok(reign.epoch > before.epoch || reign.candidate === before.candidate, `epochs: ${told}`)
  })
}

test.before(async () => {
  ensemble = await ZooKeeperEnsemble.start(200)
  zk = await ZooKeeper.connect({ servers: ensemble.addresses, sessionTimeoutMs: 4_000, log })
})
test.after.each(async () => {
  for (const candidate of candidates.splice(0)) candidate.process.kill('SIGKILL')
})
test.after(async () => {
  await zk.close()
  await ensemble.stop()
})

test('killed, frozen and stopped leaders: one at a time, epochs rise, a frozen one does nothing after', async () => {
  const path = freshPath()
  const all = await line(path, 4)
  const [a, b, c, d] = all as [Candidate, Candidate, Candidate, Candidate]
  await until(() => a.leads)

  let from = nowMs()
  await a.signal('SIGKILL')
  await until(() => b.leads)
  const afterKill = (b.reigns[0] as Reign).fromMs - from
  assert.ok(afterKill < sessionMs + 2_000, `killed: next after ${afterKill} ms`)

  from = nowMs()
  await b.signal('SIGSTOP')
  await until(() => c.leads)
  const afterStop = (c.reigns[0] as Reign).fromMs - from
  assert.ok(afterStop < sessionMs + 2_000, `frozen: next after ${afterStop} ms`)
  const frozen = { ...(b.reigns[0] as Reign) }
  await b.signal('SIGCONT')
  await until(() => b.reigns[0]?.ended === true)
  assert.is(b.reigns[0]?.toMs, frozen.toMs, 'the thawed one did nothing as a leader')

  from = nowMs()
  const stopped = c.signal('SIGTERM')
  await until(() => d.leads)
  const handOver = (d.reigns[0] as Reign).fromMs - from
  assert.ok(handOver < 500, `stopped: next after ${handOver} ms`)
  await stopped

  await d.signal('SIGTERM')
  await until(() => b.leads)
  assert.is(b.reigns.length, 2)
  checkReigns(all)
})

test("the ensemble's leader is killed: the reign ends or goes on, never two, and soon there is one", async () => {
  const path = freshPath()
  const all = await line(path, 2)
  await until(() => all.some((candidate) => candidate.leads))
  const leader = await ensemble.leader()
  await leader.kill()
  await zk.connected(undefined, 10_000)
  await until(() => all.some((candidate) => candidate.leads))
  await leader.restart()
  checkReigns(all)
})

test('no quorum: nobody leads; the quorum returns: somebody does', async () => {
  const path = freshPath()
  const all = await line(path, 2)
  await until(() => all.some((candidate) => candidate.leads))
  const [first, second] = ensemble.servers
  await Promise.all([first?.kill(), second?.kill()])
  await until(() => all.every((candidate) => !candidate.leads))
  await Promise.all([first?.restart(), second?.restart()])
  await until(() => all.some((candidate) => candidate.leads), 25_000)
  checkReigns(all)
})

test('our own node deleted: leadership ends at once, and comes back with a higher epoch', async () => {
  await zk.connected(undefined, 10_000)
  const path = freshPath()
  const stop = new AbortController()
  const epochs: number[] = []
  let leading = 0
  const standing = stand(
    zk,
    path,
    { id: 'x', signal: stop.signal, log },
    async ({ czxid: epoch, signal }) => {
      epochs.push(epoch)
      leading++
      await once(signal, 'abort')
      leading--
    },
  )
  await until(() => leading === 1)
  await zk.delete(`${path}/${(await zk.children(path))?.[0]}`)
  await until(() => epochs.length === 2)
  assert.is(leading, 1)
  assert.ok((epochs[1] as number) > (epochs[0] as number))
  stop.abort()
  await standing
  assert.equal(await zk.children(path), [])
})

test('lead that throws or returns gives leadership away, and stands again', async () => {
  const other = await ZooKeeper.connect({ servers: ensemble.addresses, sessionTimeoutMs: sessionMs, log })
  const path = freshPath()
  const stop = new AbortController()
  const turns: string[] = []
  const both = [zk, other].map((of, i) =>
    stand(of, path, { id: `x${i}`, signal: stop.signal, log }, async ({ czxid: epoch }) => {
      turns.push(`${i} ${epoch}`)
      if (turns.length % 2) throw new Error('out of wind')
    }),
  )
  await until(() => turns.length >= 6)
  stop.abort()
  await Promise.all(both)
  const epochs = turns.map((turn) => Number(turn.split(' ')[1]))
  assert.equal(
    epochs,
    [...new Set(epochs)].sort((a, b) => a - b),
  )
  assert.is(new Set(turns.map((turn) => turn[0])).size, 2, 'both had their turn')
  await other.close()
})

test('a ZooKeeper that is silent just as leading ends: the candidate stands again when it answers', async () => {
  const proxy = await TcpProxy.start(Number(ensemble.addresses.split(',')[0]?.split(':')[1]))
  const far = await ZooKeeper.connect({
    ...{ servers: proxy.address, sessionTimeoutMs: 4_000, requestTimeoutMs: 300, log },
  })
  const path = freshPath()
  const stop = new AbortController()
  let terms = 0
  let ended = false
  const standing = stand(far, path, { id: 'x', signal: stop.signal, log }, async ({ signal }) => {
    if (++terms > 1) return void (await once(signal, 'abort'))
    proxy.swallowing = true
    throw new Error('out of wind')
  }).finally(() => {
    ended = true
  })
  standing.catch(() => undefined)
  await until(() => terms === 1)
  // Longer than a candidate asks to be let go.
  await sleep(3_500)
  assert.is(ended, false)
  proxy.swallowing = false
  proxy.cut()
  await until(() => terms === 2, 20_000)
  stop.abort()
  await standing
  await far.close()
  await proxy.close()
})

test('lead that does not end is not waited for without limit', async () => {
  const path = freshPath()
  const stop = new AbortController()
  let calls = 0
  const options = { id: 'x', signal: stop.signal, log, endLimitMs: 200 }
  const standing = stand(zk, path, options, async ({ signal }) => {
    if (++calls === 1) await new Promise(() => undefined)
    await once(signal, 'abort')
  })
  await until(() => calls === 1)
  await zk.delete(`${path}/${(await zk.children(path))?.[0]}`)
  await until(() => calls === 2)
  stop.abort()
  await standing
})

test.run()
