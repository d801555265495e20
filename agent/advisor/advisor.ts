// The Advisor, put together: measures the host and its ships, probes them, and tells the MonitorService.
import type { Client } from '../../shared/api/client.ts'
import type { Log } from '../../shared/log.ts'
import { sleep } from '../../shared/loop.ts'
import type { Contact } from '../contact.ts'
import type { Disks } from '../disks.ts'
import type { Engine } from '../docker/engine.ts'
import type { Images } from '../docker/images.ts'
import type { LastSamples } from '../lastSamples.ts'
import type { Outbox } from '../outbox.ts'
import type { PullBook } from '../pullBook.ts'
import type { ResizeBook } from '../resizeBook.ts'
import type { Roster } from '../roster.ts'
import { HostMeter } from './hostMeter.ts'
import { Prober, type ProberOptions } from './prober.ts'
import { Reporter, type ReporterOptions } from './reporter.ts'
import { ShipMeter } from './shipMeter.ts'

export interface AdvisorOptions {
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
  onStale: ReporterOptions['onStale']
  onTooLate: ProberOptions['onTooLate']
  log: Log
}

export interface Advisor {
  /** The ApiServer has been asked anew: it is told all that is aboard. */
  sendAll(): void
  /** Sends what is pending, within the limit, and ends. */
  stop(limitMs: number): Promise<void>
}

export function startAdvisor(options: AdvisorOptions): Advisor {
  const { disks, engine, images, roster, outbox, lastSamples, log } = options
  const over = new AbortController()
  const degraded = () => (engine.away ?? disks.trouble)?.slice(0, 512) ?? null
  const host = new HostMeter(disks, images, degraded)
  const prober = new Prober({ ...options, signal: over.signal })
  const ships = new ShipMeter(roster, prober.playersOf, lastSamples)
  const reporter = new Reporter({
    ...options,
    degraded,
    sampleHost: () => host.sample(),
    sampleShips: () => ships.sample(),
  })
  const reporting = reporter.run(over.signal)
  return {
    sendAll: reporter.sendAll,
    stop: async (limitMs) => {
      const untilMs = performance.now() + limitMs
      while (outbox.size > 0 && performance.now() < untilMs) await sleep(20)
      if (outbox.size > 0) log.warn({ changes: outbox.size }, 'ended with changes that nobody acknowledged')
      over.abort()
      await Promise.race([reporting, sleep(500)])
    },
  }
}
