// A ship whose container has ended: its exit is read, put into words and into the outbox, and it leaves.
import type { ShipExit } from '../../../shared/model/ship.ts'
import type { Details } from '../../docker/engine.ts'
import { isAway } from '../../docker/engineError.ts'
import { lastLines } from '../../docker/log.ts'
import { type Aboard, about } from '../../roster.ts'
import type { Crew } from '../crew.ts'
import { type Remains, verdict } from './verdict.ts'

const keptLines = 20

/** @throws EngineError when the engine is away: nothing was said then. */
export async function settle(crew: Crew, entry: Aboard): Promise<void> {
  const { engine, roster, outbox, log } = crew
  const details = entry.containerId === null ? undefined : await engine.details(entry.containerId)
  const exit = details ? await exitOf(crew, entry, details) : null
  // Meanwhile its ending may have been decided, or another turn may have settled it.
  const now = roster.at(entry.grant)
  if (!now) return
  const report = verdict(now, remainsOf(crew, details, exit))
  log.info(
    { ...about(now.grant, now.ending), phase: now.phase, report: report ?? 'none: it is not ours any more' },
    'ship ended',
  )
  if (report) outbox.put(report)
  roster.leave(entry.grant)
}

function remainsOf({ boot }: Crew, details: Details | undefined, exit: ShipExit | null): Remains {
  const hostRestarted =
    details !== undefined && (details.startedAtEpochMs === null || details.mark?.boot !== boot)
  return { exit, hostRestarted, error: details?.exit.error ?? '' }
}

async function exitOf(
  { engine, lastSamples }: Crew,
  { grant }: Aboard,
  details: Details,
): Promise<ShipExit | null> {
  if (details.startedAtEpochMs === null) return null
  const logTail = await lastLines(engine, details.id, keptLines).catch((error: unknown) => {
    if (isAway(error)) throw error
    return []
  })
  const { code, oomKilled, at } = details.exit
  return { code, oomKilled, logTail, at, sample: lastSamples.of(grant) }
}
