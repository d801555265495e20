// The scheduler for as long as it leads: tickets in, jobs out, and everybody told.
//
// INVARIANTS
// - Everything is rebuilt from ZooKeeper when leadership begins; nothing outlives it. Only who is there need not be
//   read then: the candidate has followed it by watches.
// - A turn decides on all tickets at hand, writes the jobs, then tidies the queue; turns never overlap.
// - An idle scheduler asks nothing of ZooKeeper: turns come from new tickets, changed hosts, and times that are
//   due.
// - The end of one part (because of a newer leader's epoch, above all) is the end of the leadership.
import type { Client } from '../../../shared/api/client.ts'
import { ArmadaError } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { Bell, loop } from '../../../shared/loop.ts'
import { decodeJobs, encodeJobs, isOldStop, isReadStop, type Job, jobKey } from '../../../shared/model/job.ts'
import { decodeTickets, type Ticket } from '../../../shared/model/ticket.ts'
import type { ZooKeeper } from '../../../shared/zookeeper/client.ts'
import { Mailboxes } from '../../../shared/zookeeper/mailbox.ts'
import { paths } from '../../../shared/zookeeper/paths.ts'
import { QueueConsumer, type Entry as QueueEntry } from '../../../shared/zookeeper/queue.ts'
import type { Leadership } from '../leadership.ts'
import { together } from '../together.ts'
import { Alarm } from './alarm.ts'
import { Attendance } from './attendance.ts'
import { Board } from './board.ts'
import { decide, lookAgainAtMs } from './decide.ts'
import { DemandClasses } from './demandClasses.ts'
import { writeJobs, writeTickets } from './dispatch.ts'
import { Figures } from './figures.ts'
import { Picture } from './picture.ts'
import { type Entry, type Group, Pile } from './pile.ts'
import type { Placed } from './place.ts'
import { answerQuestions } from './questions.ts'
import { QueueNodes } from './queueNodes.ts'
import { Reports } from './reports.ts'
import { excuse } from './rollCall.ts'
import { replyTo } from './simulate.ts'
import { Takeover } from './takeover.ts'

const placementsInTurn = 4_000
/** A new leader finds a heap of tickets; hosts go to work on the first while the next are decided. */
const placementsAtFirst = 500
const idleTurnMs = 600_000

export interface SchedulerOptions {
  zk: ZooKeeper
  client: Client
  log: Log
  /** Of this candidate, which has followed it while another one led. Default: one that begins now. */
  attendance?: Attendance
}

/** Schedules until the leadership ends. @throws what ended it, when it was not the signal. */
export async function schedule(
  options: SchedulerOptions,
  { epoch, signal: leads }: Leadership,
): Promise<void> {
  const { zk, client, log, attendance = new Attendance(zk, log) } = options
  const bell = new Bell()
  const nodes = new QueueNodes()
  const pile = new Pile((entry) => nodes.leave(entry))
  const board = new Board(epoch)
  const classes = new DemandClasses(board)
  const figures = new Figures(board)
  const takeover = new Takeover()
  const queue = new QueueConsumer<Ticket>(zk, paths.schedulerQueue, { decode: decodeTickets, log })
  const boxes = new Mailboxes<Job>(zk, {
    pathOf: paths.workerQueue,
    ...{ encode: encodeJobs, decode: decodeJobs, keyOf: jobKey, log },
    // A start job stays as long as no advice shows its ship: a new leader learns from it that the room is taken.
    keep: (job, host) => (job.kind === 'stop' ? !isOldStop(job) : board.assumes(host, job.ship, job.attempt)),
    spare: isReadStop,
  })
  const reports = new Reports({
    client,
    epoch,
    log,
    pile,
    board,
    figures,
    onStale: moveOn,
    onNeedless: dropTicket,
    onMissing: waitOnlyForOthers,
  })
  const notices = { onRecalled: reports.doubt, onChange: bell.ring }
  const picture = new Picture({ zk, attendance, board, boxes, log, ...notices })
  let pileChanged = true
  let decidedVersion = -1
  /** When a reason may be too old to be left standing. */
  let recheckAtMs = Number.POSITIVE_INFINITY

  await together(leads, [
    ...(options.attendance ? [] : [(signal: AbortSignal) => attendance.follow(signal)]),
    (signal) => picture.follow(signal),
    (signal) => reports.run(signal),
    async (signal) => {
      const seen = picture.complete(signal).then(() => takeover.did('picture'))
      await together(signal, [
        (signal) => take(signal, seen),
        async (signal) => {
          await seen
          await together(signal, [turnTheClock, answer])
        },
      ])
    },
  ])

  async function answer(signal: AbortSignal): Promise<void> {
    await answerQuestions({ client, epoch, log, replyTo: (asked) => replyTo(asked, board, classes) }, signal)
  }

  /** Reads the queue while the picture is being read; no ticket is looked at before it is whole. */
  async function take(signal: AbortSignal, seen: Promise<void>): Promise<void> {
    for await (const entries of queue.entries(signal)) {
      await seen
      if (signal.aborted) return
      for (const entry of entries) accept(entry)
      bell.ring()
    }
  }

  function accept({ name, items }: QueueEntry<Ticket>): void {
    const nowMs = performance.now()
    const entries: Entry[] = []
    for (const ticket of items) {
      // A host has this attempt already: the ticket was placed by an earlier leader.
      if (board.attemptOf(ticket.ship) >= ticket.attempt && !pile.get(ticket.ship)) continue
      // It moved on: the room that an earlier attempt was thought to take is free for this one, too.
      board.drop(ticket.ship, ticket.attempt - 1)
      const entry = pile.add(ticket, nowMs, Math.max(0, ticket.notBeforeMs - Date.now()))
      if (entry) entries.push(entry)
    }
    nodes.put(name, entries, items.length)
    pileChanged = true
  }

  function dropTicket(ship: string, attempt: number): void {
    const entry = pile.get(ship)
    // One that is being placed meanwhile is reported as placed next.
    if (!entry || entry.state === 'taken' || entry.ticket.attempt > attempt) return
    pile.remove(entry)
    bell.ring()
  }

  function moveOn(ship: string, attempt: number): void {
    board.drop(ship, attempt)
    dropTicket(ship, attempt)
    bell.ring()
  }

  function waitOnlyForOthers(excused: ReadonlySet<string>): void {
    for (const group of excuse(excused, pile)) refuse(group)
    pileChanged = true
    bell.ring()
  }

  async function turnTheClock(signal: AbortSignal): Promise<void> {
    const alarm = new Alarm(bell, signal)
    await loop({ name: 'schedule', everyMs: idleTurnMs, signal, log, bell }, () => turn(signal, alarm))
  }

  async function turn(signal: AbortSignal, alarm: Alarm): Promise<void> {
    const nowMs = performance.now()
    if (pile.ripen(nowMs)) pileChanged = true
    const boardChanged = board.changes.version !== decidedVersion
    if (pileChanged || boardChanged || nowMs >= recheckAtMs) await decideAndWrite(signal, nowMs)
    await tidy(signal)
    alarm.set(pile.nextDueMs)
    alarm.set(recheckAtMs)
  }

  async function decideAndWrite(signal: AbortSignal, nowMs: number): Promise<void> {
    if (!takeover.over) takeover.resume()
    const limit = takeover.over ? placementsInTurn : placementsAtFirst
    const { placed, blocked, more } = decide({ board, pile, classes, nowMs, limit })
    figures.decided(performance.now() - nowMs)
    decidedVersion = board.changes.version
    // What was placed may have opened a zone to those that were blocked before it.
    pileChanged = more || (placed.length > 0 && blocked.length > 0)
    if (pileChanged) bell.ring()
    // Not as arguments of one call: there may be more gangs than a call takes.
    recheckAtMs = blocked.reduce(
      (at, group) => Math.min(at, lookAgainAtMs(group, nowMs)),
      Number.POSITIVE_INFINITY,
    )
    for (const group of blocked) refuse(group)
    if (placed.length > 0) await write(placed, signal)
  }

  function refuse(group: Group): void {
    const untold = [...pile.untold(group)].map(({ ticket }) => ticket)
    reports.refused(untold, group)
  }

  async function write(placed: readonly Placed[], signal: AbortSignal): Promise<void> {
    takeover.did('decision')
    const failed = new Set(await writeJobs(placed, boxes, { zk, signal, log }))
    signal.throwIfAborted()
    if (!takeover.over) tellTakeover()
    for (const one of placed) {
      if (!failed.has(one)) pile.remove(one.entry)
      else {
        board.drop(one.entry.ticket.ship, one.entry.ticket.attempt)
        pile.giveBack(one.entry)
      }
    }
    reports.placed(placed.filter((one) => !failed.has(one)))
    if (failed.size === 0) return
    pileChanged = true
    throw new ArmadaError('unavailable', `The jobs of ${failed.size} ships could not be written.`)
  }

  function tellTakeover(): void {
    takeover.did('jobs')
    figures.tookOver(takeover.parts)
    log.info({ ...takeover.parts, hosts: board.size, tickets: pile.size }, 'the scheduler has taken over')
  }

  async function tidy(signal: AbortSignal): Promise<void> {
    const { done, replaced, rewrite } = nodes.tidy()
    if (done.length + replaced.length === 0) return
    for (const { name, part } of await writeTickets(rewrite, { zk, signal, log })) {
      nodes.put(name, part, part.length)
    }
    await queue.remove([...done, ...replaced], signal)
    nodes.forget([...done, ...replaced])
  }
}
