// The scheduler's loop, for as long as it leads: tickets in, jobs out, and everybody told.
//
// INVARIANTS
// - Everything is rebuilt from ZooKeeper when leadership begins; nothing outlives it.
// - A turn decides on all tickets at hand, writes the jobs, then tidies the queue; turns never overlap.
// - An idle scheduler makes no request: turns come from new tickets, changed hosts, and times that are due.
// - Whatever ends one part (a newer leader's epoch, above all) ends the leadership.
import type { Client } from '../../../shared/api/client.ts'
import { messageOf } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { decodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import type { Leadership } from '../../../shared/zookeeper/election.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { type Entry as QueueEntry, QueueConsumer } from '../../../shared/zookeeper/queue.ts'
import { Board } from './board.ts'
import { type Decisions, decide } from './decide.ts'
import { DemandClasses } from './demandClasses.ts'
import { writeJobs, writeTickets } from './dispatch.ts'
import { type Entry, type Group, Pile } from './pile.ts'
import { Picture } from './picture.ts'
import { QueueNodes } from './queueNodes.ts'
import { Reports } from './reports.ts'

const placementsInTurn = 4_000
/** By then the agent has claimed the job and the Advice shows it, or a controller has seen that it did not. */
const assumedForMs = 60_000
const idleTurnMs = 600_000
/** Reasons with numbers in them change all the time; people do not read that fast. */
const sayReasonEveryMs = 5_000

export interface SchedulerOptions {
  zk: ZooKeeper
  client: Client
  log: Log
}

/** Schedules until the leadership ends. @throws what ended it, when it was not the signal. */
export async function schedule(
  { zk, client, log }: SchedulerOptions,
  { epoch, signal: leads }: Leadership,
): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([leads, over.signal])
  const bell = new Bell()
  const nodes = new QueueNodes()
  const pile = new Pile((entry) => nodes.leave(entry))
  const board = new Board(epoch)
  const classes = new DemandClasses(board)
  const queue = new QueueConsumer<Ticket>(zk, paths.schedulerQueue, { decode: decodeTickets, log })
  const writer = { zk, signal, log }
  const reports = new Reports({ client, epoch, log, pile, onStale: moveOn })
  const saidAtMs = new Map<string, number>()
  let decidedVersion = -1
  let ticketsCame = false

  const picture = new Picture({ zk, board, log, onChange: bell.ring })
  const { followed } = await picture.open(signal)
  await endTogether(over, [followed, take(), reports.run(signal), turnTheClock()])

  async function take(): Promise<void> {
    for await (const entries of queue.entries(signal)) {
      for (const entry of entries) accept(entry)
      bell.ring()
    }
  }

  function accept({ name, items }: QueueEntry<Ticket>): void {
    const nowMs = performance.now()
    const entries: Entry[] = []
    for (const ticket of items) {
      // A host has this attempt already: the ticket is a leftover of an earlier leader.
      if (board.attemptOf(ticket.ship) >= ticket.attempt && !pile.get(ticket.ship)) continue
      const entry = pile.add(ticket, nowMs, Math.max(0, ticket.notBeforeMs - Date.now()))
      if (entry?.ticket.attempt === ticket.attempt) entries.push(entry)
    }
    nodes.put(name, entries, items)
    ticketsCame = true
  }

  function moveOn(ship: string, attempt: number): void {
    board.drop(ship, attempt)
    const entry = pile.get(ship)
    if (entry && entry.ticket.attempt <= attempt) pile.remove(entry)
    bell.ring()
  }

  async function turnTheClock(): Promise<void> {
    while (!signal.aborted) {
      const wakeMs = untilDue()
      // One turn of the loop, so that an error waits longer each time.
      await loop({ name: 'schedule', everyMs: wakeMs, signal, log, bell }, turn)
    }
  }

  async function turn(): Promise<void> {}
}
