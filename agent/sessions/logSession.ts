// Reading a ship's output for one reader.
//
// INVARIANTS
// - What was printed before the session began is passed on whole, as slowly as the reader takes it.
// - What is printed while it lasts is left out, and counted, when it comes faster; a reader who has fallen behind
//   is taken to the newest line. So nothing is kept but one chunk, and a loud ship costs little more than a quiet one.
// - It ends when the container does; a log that broke off or fell silent is opened again after its last line.
import type { Readable } from 'node:stream'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import { type LogCall, stampOf } from '../../shared/model/session.ts'
import type { Engine } from '../docker/engine.ts'
import { EngineError, hasStatus } from '../docker/engineError.ts'
import { type OutputOptions, OutputReader, openOutput } from '../docker/output.ts'
import { Pace } from '../docker/pace.ts'
import type { Sender } from './sender.ts'

const behindMs = 5_000
/** Docker 20.10 now and then stops sending when it begins a new file; an open log of a quiet ship costs it nothing. */
const silentMs = 15_000

interface Place extends OutputOptions {
  /** Lines up to this stamp have been dealt with. */
  after: string | null
}

/** Resolves when all is in the parcel, or nobody listens any more. */
export async function passOutput(
  engine: Engine,
  containerId: string,
  call: LogCall,
  sender: Sender,
  log: Log,
): Promise<void> {
  const { tail, since, follow } = call
  const place: Place = { tail, since, follow, after: null }
  const beganAt = stampOf(Date.now())
  while (!sender.gone.aborted) {
    try {
      const isAtEnd = await passOnce(engine, containerId, place, beganAt, sender)
      if (isAtEnd && !place.follow) break
      // A log that is followed ends with its container, and then may have been cut short: the rest is read once more.
      if ((await engine.details(containerId))?.state !== 'running') place.follow = false
    } catch (error) {
      if (hasStatus(error, 404) || hasStatus(error, 409)) break
      if (!sender.gone.aborted)
        log.warn({ ship: call.ship, error: messageOf(error) }, 'its log is read again')
      await sleep(500, sender.gone)
      await engine.answers(sender.gone)
    }
  }
  sender.end('complete')
}

async function passOnce(
  engine: Engine,
  containerId: string,
  place: Place,
  beganAt: string,
  sender: Sender,
): Promise<boolean> {
  const over = new AbortController()
  const end = () => over.abort()
  sender.gone.addEventListener('abort', end)
  try {
    const stream = await openOutput(engine, containerId, place, over.signal)
    return await passStream(stream, place, beganAt, sender, over)
  } catch (error) {
    if (over.signal.aborted) return false
    throw EngineError.from(error, 'reading the log')
  } finally {
    end()
    sender.gone.removeEventListener('abort', end)
  }
}

/** @returns whether the log came to its end. Otherwise it is to be opened again at `place`. */
async function passStream(
  stream: Readable,
  place: Place,
  beganAt: string,
  sender: Sender,
  over: AbortController,
): Promise<boolean> {
  const { parcel } = sender
  const reader = new OutputReader()
  const { after } = place
  const pace = new Pace()
  let timer = setTimeout(() => over.abort(), silentMs)
  try {
    for await (const data of stream as AsyncIterable<Buffer>) {
      clearTimeout(timer)
      let taken = 0
      let count = 0
      let full = false
      const { lines, left } = reader.push(data, (at, bytes) => {
        if (after !== null && at <= after) return null
        if (at < beganAt || !place.follow) return true
        full ||= !parcel.fits(bytes, count, taken)
        if (full) return false
        count++
        taken += bytes + 40
        return true
      })
      for (const line of lines) {
        while (!parcel.add(line) && !sender.gone.aborted) {
          sender.ring()
          await sender.emptied()
        }
      }
      parcel.leaveOut(left)
      if (lines.length > 0 || left > 0) {
        place.tail = null
        place.since = place.after = reader.last
        sender.ring()
      }
      if (sender.gone.aborted) return false
      await pace.keep(data.length, sender.gone, left > 0)
      if (left > 0 && reader.last && Date.now() - Date.parse(reader.last) > behindMs) {
        parcel.leaveOut(0, true)
        place.since = place.after = stampOf(Date.now())
        return false
      }
      timer = setTimeout(() => over.abort(), silentMs)
    }
    return true
  } finally {
    clearTimeout(timer)
    stream.destroy()
  }
}
