// Election on a real ensemble of three, with candidates as processes that are killed, frozen and stopped.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import { type Scratch, scratchDir } from '../../../infra/stack/scratch.ts'
import type { Server } from '../../../infra/stack/server.ts'
import { startZooKeeperEnsemble, untilServing } from '../../../infra/stack/zookeeper.ts'
import { createLog } from '../../../shared/log.ts'
import { ZooKeeper } from '../../../shared/zookeeper/client.ts'

const test = suite('election')
const sessionMs = 2_000
const log = createLog('test', 'silent')
let scratch: Scratch
let members: readonly Server[]
let elections = 0

interface Line {
  who: string
  event: 'stands' | 'leads' | 'lost'
  epoch: number
  atMs: number
}

/** An election of its own, with what every candidate said in the order of the machine's clock. */
class Election {
  readonly path = `/elections/${++elections}`
  readonly lines: Line[] = []
  readonly processes = new Map<string, ChildProcess>()

  async join(who: string): Promise<void> {
    const servers = members.map((member) => member.address).join(',')
    const file = join(import.meta.dirname, '..', '..', 'harness', 'candidate.ts')
    const args = ['--import', 'tsx', file, servers, this.path, who, String(sessionMs)]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.processes.set(who, child)
    let rest = ''
    child.stdout.on('data', (chunk) => {
      const texts = (rest + chunk).split('\n')
      rest = texts.pop() ?? ''
      for (const text of texts) this.lines.push({ who, ...JSON.parse(text) })
    })
    await this.until(`${who} stands`, 15_000, () =>
      this.lines.some((line) => line.who === who && line.event === 'stands'),
    )
    await delay(200) // its node is in line
  }

  /** The last to lead, if it has not said that it leads no more. */
  leader(): Line | undefined {
    const last = this.lines
      .filter((line) => line.event === 'leads')
      .sort((a, b) => a.epoch - b.epoch)
      .at(-1)
    return last &&
      this.lines.some((line) => line.event === 'lost' && line.epoch === last.epoch && line.atMs > last.atMs)
      ? undefined
      : last
  }

  signal(who: string, name: NodeJS.Signals): number {
    this.processes.get(who)?.kill(name)
    return Number(process.hrtime.bigint()) / 1e6
  }

  async until<T>(what: string, limitMs: number, ask: () => T | undefined | false): Promise<T> {
    const endMs = performance.now() + limitMs
    while (performance.now() < endMs) {
      const answer = ask()
      if (answer) return answer
      await delay(10)
    }
    throw new Error(
      `not within ${limitMs} ms: ${what}\n${this.lines.map((line) => JSON.stringify(line)).join('\n')}`,
    )
  }

  /** The next leader after an epoch. */
  successor(epoch: number, limitMs: number): Promise<Line> {
    return this.until(`a leader after epoch ${epoch}`, limitMs, () => {
      const leader = this.leader()
      return leader !== undefined && leader.epoch > epoch && leader
    })
  }

  /** No two candidates led at the same time, but for those whose end could not be said: killed or frozen ones. */
  assertOneAtATime(silenced: readonly string[] = []): void {
    const terms = this.lines
      .filter((line) => line.event === 'leads')
      .map((line) => {
        const end = this.lines.find(
          (other) => other.event === 'lost' && other.who === line.who && other.atMs > line.atMs,
        )
        return { ...line, endMs: end?.atMs ?? Number.POSITIVE_INFINITY }
      })
      .filter((term) => !silenced.includes(term.who))
    for (const a of terms) {
      for (const b of terms) {
        if (a !== b && a.atMs < b.atMs)
          assert.ok(a.endMs <= b.atMs, `${a.who} led until ${a.endMs}, ${b.who} from ${b.atMs}`)
      }
    }
    const epochs = this.lines.filter((line) => line.event === 'leads').sort((a, b) => a.atMs - b.atMs)
    for (const [i, line] of epochs.entries()) {
      const before = epochs[i - 1]
      if (before && before.who !== line.who)
        assert.ok(line.epoch > before.epoch, 'the epoch of a later leader is higher')
    }
  }

  end(): void {
    for (const child of this.processes.values()) child.kill('SIGKILL')
  }
}

test.before(async () => {
  scratch = await scratchDir()
  members = await startZooKeeperEnsemble({
    dir: scratch.dir,
    fsync: false,
    sessionTickMs: 200,
    heapMiB: 128,
    endWithParent: true,
    log,
  })
})

test.after(async () => {
  await Promise.all(members.map((member) => member.stop()))
  await scratch.remove()
})

async function withCandidates(
  names: readonly string[],
  body: (election: Election) => Promise<void>,
): Promise<void> {
  const election = new Election()
  try {
    for (const name of names) await election.join(name)
    await body(election)
  } finally {
    election.end()
  }
}

test('the first leads from the start, and no second beside it', () =>
  withCandidates(['a', 'b', 'c'], async (election) => {
    assert.equal((await election.successor(0, 5_000)).who, 'a')
    await delay(1_000)
    assert.deepEqual(
      election.lines.filter((line) => line.event === 'leads').map((line) => line.who),
      ['a'],
    )
  }))

test('a leader that is killed is followed within its session, by the next in line, with a higher epoch', () =>
  withCandidates(['a', 'b', 'c'], async (election) => {
    const first = await election.successor(0, 5_000)
    const atMs = election.signal('a', 'SIGKILL')
    const next = await election.successor(first.epoch, sessionMs + 2_000)
    assert.equal(next.who, 'b')
    assert.ok(next.atMs - atMs > sessionMs / 3, 'not before the session can have ended')
    election.assertOneAtATime(['a'])
  }))

test('a leader that is stopped hands over within half a second', () =>
  withCandidates(['a', 'b'], async (election) => {
    const first = await election.successor(0, 5_000)
    const atMs = election.signal('a', 'SIGTERM')
    const next = await election.successor(first.epoch, 2_000)
    assert.ok(next.atMs - atMs < 500, `${next.atMs - atMs} ms`)
    election.assertOneAtATime()
  }))

test('a leader that was frozen for three sessions notices before it does anything, and stands again', () =>
  withCandidates(['a', 'b'], async (election) => {
    const first = await election.successor(0, 5_000)
    election.signal('a', 'SIGSTOP')
    const next = await election.successor(first.epoch, sessionMs + 2_000)
    assert.equal(next.who, 'b')
    await delay(sessionMs * 2)
    const thawedMs = election.signal('a', 'SIGCONT')
    const lost = await election.until('a notices', 2_000, () =>
      election.lines.find((line) => line.who === 'a' && line.event === 'lost'),
    )
    assert.ok(lost.atMs - thawedMs < 200, `it believed for ${lost.atMs - thawedMs} ms after the thaw`)
    election.signal('b', 'SIGTERM')
    const again = await election.successor(next.epoch, 5_000)
    assert.equal(again.who, 'a')
  }))

test('when the leader of the ensemble dies, leadership stays or is taken up again, never twice', () =>
  withCandidates(['a', 'b'], async (election) => {
    const first = await election.successor(0, 5_000)
    for (const member of members) {
      await member.kill()
      await member.restart()
      await untilServing(member)
      await delay(500)
    }
    const leader = await election.until('somebody leads', 10_000, () => election.leader())
    assert.ok(leader.epoch >= first.epoch)
    election.assertOneAtATime()
  }))

test('without a quorum nobody leads; when it is back somebody does', () =>
  withCandidates(['a', 'b'], async (election) => {
    await election.successor(0, 5_000)
    await Promise.all(members.slice(0, 2).map((member) => member.kill()))
    await election.until('nobody leads', sessionMs + 1_000, () => election.leader() === undefined)
    await delay(sessionMs)
    assert.equal(election.leader(), undefined)
    await Promise.all(members.slice(0, 2).map((member) => member.restart()))
    await election.until('somebody leads', 20_000, () => election.leader())
    election.assertOneAtATime()
  }))

test('a node that somebody deletes ends the leadership', () =>
  withCandidates(['a', 'b'], async (election) => {
    const first = await election.successor(0, 5_000)
    const zk = await ZooKeeper.connect({
      servers: members[0]?.address ?? '',
      sessionTimeoutMs: sessionMs,
      log,
    })
    const nodes = (await zk.children(election.path)) ?? []
    const sequence = (name: string) => name.slice(-10)
    const mine = nodes.sort((x, y) => sequence(x).localeCompare(sequence(y)))[0]
    await zk.delete(`${election.path}/${mine}`)
    const next = await election.successor(first.epoch, 3_000)
    assert.equal(next.who, 'b')
    election.assertOneAtATime()
    await zk.close()
  }))

test.run()
