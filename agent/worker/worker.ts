// The Worker, put together: watches its box, claims, drives Docker, and puts every outcome into the outbox.
import { availableParallelism } from 'node:os'
import type { Client } from '../../shared/api/client.ts'
import { isFinal } from '../../shared/api/monitor.ts'
import type { Log } from '../../shared/log.ts'
import { Bell, sleep } from '../../shared/loop.ts'
import type { HostDescription } from '../../shared/model/host.ts'
import type { Contact } from '../contact.ts'
import type { Disks } from '../disks.ts'
import type { Engine } from '../docker/engine.ts'
import type { Images } from '../docker/images.ts'
import { SecretFiles } from '../docker/secretFiles.ts'
import type { LastSamples } from '../lastSamples.ts'
import type { Outbox } from '../outbox.ts'
import type { PullBook } from '../pullBook.ts'
import type { ResizeBook } from '../resizeBook.ts'
import type { Roster, ShipAttempt } from '../roster.ts'
import type { SdkPortBook } from '../sdkPorts.ts'
import { Slots } from '../slots.ts'
import type { Crew } from './crew.ts'
import { Desk } from './desk.ts'
import { discard, endShip } from './ending/end.ts'
import { Halts } from './ending/halts.ts'
import { giveAllBack } from './ending/leave.ts'
import { Removals } from './ending/removals.ts'
import { keepWatch } from './ending/watch.ts'
import { Gate } from './gate.ts'
import { Hands } from './hands.ts'
import { type HelloOptions, reconcile } from './hello/reconcile.ts'
import { keepHouse } from './housekeeping.ts'
import { type CleaningOptions, cleanImages } from './imageCleaner.ts'
import { keepLookout, listen, lookOnce } from './lookout.ts'
import { pullAhead } from './pullAhead.ts'
import { type RegisterOptions, register } from './register.ts'
import { startsInFlight } from './starting/start.ts'
import { followStream, type StreamOptions } from './stream.ts'

/** What it cannot remove by then the next agent does. */
const clearAwayMs = 10_000

export interface WorkerOptions extends RegisterOptions, HelloOptions, StreamOptions {
  host: HostDescription
  boot: string
  /** On a file system in memory, and of this host alone. */
  secretsDir: string
  cleaning: CleaningOptions
  api: Client
  disks: Disks
  engine: Engine
  images: Images
  pulls: PullBook
  roster: Roster
  outbox: Outbox
  resizes: ResizeBook
  contact: Contact
  lastSamples: LastSamples
  sdkPorts: SdkPortBook
  log: Log
}

export interface Worker {
  /** The ship did not become ready in time. */
  tooLate(of: ShipAttempt, reason: string): void
  /** The ship asked for it, and its record says so. */
  shutDown(of: ShipAttempt): void
  /** These are not this host's any more. */
  stale(ships: readonly ShipAttempt[]): void
  /** Takes no more jobs, and ends all ships so that they are queued again. */
  giveAllBack(): Promise<void>
  /** Removes the containers whose ends have been acknowledged. */
  clearAway(): Promise<void>
  /** Removes the presence and ends all loops; containers run on. */
  stop(): Promise<void>
}

export function startWorker(options: WorkerOptions): Worker {
  const { secretsDir, engine, roster, outbox, log } = options
  const over = new AbortController()
  const leaving = new AbortController()
  const look = new Bell()
  const crew: Crew = {
    ...options,
    secretFiles: new SecretFiles(secretsDir),
    present: new Gate(),
    gate: new Gate(),
    hands: new Hands(log),
    starts: new Slots(startsInFlight(availableParallelism())),
    halts: new Halts(engine, over.signal, look.ring),
    removals: new Removals(engine, over.signal, log),
    look,
    ask: new Bell(),
    signal: over.signal,
  }
  // Once it leaves, nothing new is taken, while what is aboard is still looked after.
  const takingPart: Crew = { ...crew, signal: AbortSignal.any([over.signal, leaving.signal]) }
  const desk = new Desk(takingPart, crew)
  // The container of a ship whose end was heard of may go.
  outbox.onAcknowledged((reports) => {
    if (reports.some(isFinal)) crew.look.ring()
  })
  pullAhead(takingPart, options.pulls)
  const registered = register(takingPart, desk, options)
  const loops = [
    registered,
    reconcile(takingPart, desk, options),
    followStream(takingPart, options),
    keepLookout(crew),
    keepHouse(crew),
    cleanImages(crew, options.cleaning),
    listen(crew),
    keepWatch(crew, options.sessionMs),
  ]
  return {
    tooLate: (of, reason) => endShip(crew, of, { why: 'late', reason }),
    shutDown: (of) => endShip(crew, of, { why: 'asked' }),
    stale: (ships) => {
      for (const of of ships) {
        if (roster.at(of)) crew.hands.run('end a stale ship', () => discard(crew, of, null))
      }
    },
    giveAllBack: async () => {
      leaving.abort()
      await giveAllBack(crew)
      await Promise.race([registered, sleep(2_000)])
    },
    clearAway: async () => {
      await lookOnce(crew)
      await Promise.race([crew.removals.idle(), sleep(clearAwayMs)])
    },
    stop: async () => {
      leaving.abort()
      over.abort()
      await Promise.race([Promise.all([...loops, crew.hands.idle()]), sleep(1_500)])
    },
  }
}
