// Reading what a ship prints, for as long as its reader stays: over restarts of everything between the two.
//
// STATES  waiting (no container, or nobody answers) -> attached (chunks come) -> waiting … -> ended
// INVARIANTS
// - Every attachment is a session of its own, called from the last line that was passed on: so nothing is doubled,
//   and what was lost on the way comes again. An older session finds nobody listening, and ends.
// - The position holds for one attempt: another is another container, perhaps by another host's clock.
// - Chunks are taken one after the other as the reader takes them; the agent waits for that.
import { randomBytes } from 'node:crypto'
import { ArmadaError } from '../../../shared/errors.ts'
import { Bell } from '../../../shared/loop.ts'
import { type Chunk, keepAliveMs, type LogLine } from '../../../shared/model/session.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard, isFinished, type ShipState } from '../../../shared/model/shipState.ts'
import type { Stores } from '../../stores/stores.ts'
import { Inbox } from './inbox.ts'

export type OutputEvent =
  | { is: 'line'; attempt: number; line: LogLine }
  | { is: 'skipped'; lines: number; more: boolean }
  | { is: 'attempt'; attempt: number; host: string }
  | { is: 'waiting'; reason: string }
  | { is: 'kept'; attempt: number; text: string }
  | { is: 'end'; state: ShipState | null; reason: string | null }

export interface OutputRequest {
  ship: string
  tail: number | null
  since: string | null
  follow: boolean
  /** Where an earlier reader had got to. */
  after: { attempt: number; at: string } | undefined
  signal: AbortSignal
}

/** No word from the agent for so long, and it is called anew. */
const silentMs = 2.5 * keepAliveMs
const callAgainMs = 1_000
/** Who does not follow waits so long for the next sign of the agent. */
const answerMs = 8_000
/** After the ship has gone from there its last lines may still be on the way. */
const lastLinesMs = 1_500
/** A pause that is worth a word. */
const waitMs = 1_500
const lookMs = 500

type Outcome = 'complete' | 'lost' | 'absent' | 'gone'

/** Yields what comes together; nothing, now and then, while nothing comes. @throws ArmadaError */
export async function* shipOutput(
  { ships, sessions }: Pick<Stores, 'ships' | 'sessions'>,
  request: OutputRequest,
): AsyncGenerator<OutputEvent[]> {
  const { ship: id, follow, signal } = request
  let position = request.after
  let shown: number | undefined = request.after?.attempt
  let idleSinceMs: number | undefined
  let waited: string | undefined
  let lastSignMs = performance.now()

  while (!signal.aborted) {
    const ship = ships.table.get(id)?.value
    if (!ship) return yield [{ is: 'end', state: null, reason: 'its record is gone' }]
    const host = hostOf(ship)
    if (host === undefined) {
      if (isFinished(ship.state)) {
        const end = { is: 'end', state: ship.state, reason: ship.reason } as const
        return yield [...(shown === ship.attempt ? [] : keptLines(ship, request.tail)), end]
      }
      if (!follow) {
        const kept = keptLines(ship, request.tail)
        if (kept.length > 0) return yield kept
        throw notRunning(ship)
      }
    } else {
      const outcome = yield* attached(ship, host)
      if (outcome === 'complete' && !follow) return
      if (!follow && performance.now() - lastSignMs > answerMs) throw noAnswer(ship, outcome)
    }
    idleSinceMs ??= performance.now()
    const now = ships.table.get(id)?.value ?? ship
    yield performance.now() - idleSinceMs > waitMs ? waitingFor(reasonOf(now)) : []
    await new Bell().wait(lookMs, signal)
  }

  async function* attached(ship: Ship, host: string): AsyncGenerator<OutputEvent[], Outcome> {
    const { attempt } = ship
    const session = newSession()
    const inbox = new Inbox((taken) => sessions.take(host, session, taken))
    const seenTo = position?.attempt === attempt ? position.at : null
    // Stdout and stderr are stamped apart. Each only goes forward: what does not was passed on before.
    const passed = { stdout: seenTo, stderr: seenTo }
    const since = seenTo ?? (shown === undefined ? request.since : null)
    const tail = shown === undefined ? request.tail : null
    let close: (() => void) | undefined
    try {
      close = await sessions.listen(host, session, inbox.put)
      sessions.take(host, session, 0)
      const call = { kind: 'log', session, ship: id, attempt, tail, since, follow } as const
      const beganAtMs = performance.now()
      let calledAtMs = Number.NEGATIVE_INFINITY
      let fullAtMs = beganAtMs
      for (;;) {
        const { heardAtMs } = inbox
        if (heardAtMs === undefined && performance.now() - calledAtMs > callAgainMs) {
          await sessions.call(host, call)
          calledAtMs = performance.now()
        }
        const chunk = await inbox.next(lookMs, signal)
        const nowMs = performance.now()
        if (signal.aborted) return 'gone'
        if (chunk) {
          const { ended } = chunk
          if (ended?.why === 'busy') throw busy(id)
          if (ended?.why !== 'absent') lastSignMs = nowMs
          const events = eventsOf(chunk, ship, host, passed)
          if (events.length > 0) waited = idleSinceMs = undefined
          yield events
          inbox.take()
          if (ended) return ended.why === 'complete' ? 'complete' : 'absent'
          fullAtMs = performance.now()
          continue
        }
        const now = ships.table.get(id)?.value
        const isThere = now?.attempt === attempt && hostOf(now) === host
        if (!isThere && nowMs - fullAtMs > lastLinesMs) return 'gone'
        if (inbox.isTorn || nowMs - (inbox.heardAtMs ?? nowMs) > silentMs) return 'lost'
        const isUnanswered = inbox.heardAtMs === undefined && nowMs - beganAtMs > waitMs
        yield isUnanswered ? waitingFor(`the agent of host "${host}" does not answer`) : []
        if (!follow && nowMs - lastSignMs > answerMs) return 'lost'
      }
    } catch (error) {
      if (error instanceof ArmadaError && error.code === 'unavailable') return 'lost'
      throw error
    } finally {
      close?.()
    }
  }

  function waitingFor(reason: string): OutputEvent[] {
    if (!follow || reason === waited) return []
    waited = reason
    return [{ is: 'waiting', reason }]
  }

  /** @param passed stamps of the last lines that were passed on; changed here. */
  function eventsOf(
    { skipped, more, lines }: Chunk,
    { attempt }: Ship,
    host: string,
    passed: Record<LogLine['stream'], string | null>,
  ): OutputEvent[] {
    const events: OutputEvent[] = []
    if (lines.length > 0 && shown !== attempt) {
      if (shown !== undefined) events.push({ is: 'attempt', attempt, host })
      shown = attempt
    }
    if (skipped > 0 || more) events.push({ is: 'skipped', lines: skipped, more })
    for (const line of lines) {
      if (line.at <= (passed[line.stream] ?? '')) continue
      passed[line.stream] = line.at
      if (position?.attempt !== attempt || line.at > position.at) position = { attempt, at: line.at }
      events.push({ is: 'line', attempt, line })
    }
    return events
  }
}

export function newSession(): string {
  return randomBytes(32).toString('base64url')
}

/** The host that has, or may have, its container. */
export function hostOf({ state, host }: Ship): string | undefined {
  return host !== null && (state === 'Lost' || (isAboard(state) && state !== 'Scheduled')) ? host : undefined
}

/** Its last lines as its record has them: without the times at which they were printed. */
function keptLines({ attempt, exit }: Ship, tail: number | null): OutputEvent[] {
  const lines = exit?.logTail ?? []
  const from = tail === null ? 0 : Math.max(0, lines.length - tail)
  return lines.slice(from).map((text) => ({ is: 'kept', attempt, text }))
}

function reasonOf({ id, state, host, reason, attempt }: Ship): string {
  const where = host ? ` on host "${host}"` : ''
  return `ship "${id}" is ${state}${where}, attempt ${attempt}${reason ? `: ${reason}` : ''}`
}

export function notRunning(ship: Ship): ArmadaError {
  return new ArmadaError(
    'conflict',
    `It has no container: ${reasonOf(ship)}. With ?follow=true you wait for it.`,
  )
}

function noAnswer(ship: Ship, outcome: string): ArmadaError {
  const why =
    outcome === 'absent' ? 'its container has not begun or is gone' : 'the agent of its host does not answer'
  return new ArmadaError('unavailable', `The log cannot be read now, ${why}: ${reasonOf(ship)}. Try again.`, {
    retryAfterSeconds: 2,
  })
}

export function busy(ship: string): ArmadaError {
  return new ArmadaError(
    'too_many_streams',
    `Ship "${ship}" or its host has as many readers as it can serve. End one, or try again later.`,
    { retryAfterSeconds: 5 },
  )
}
