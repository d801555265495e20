// How a ship ended, in the words of a report. Pure.
import type { ShipReport } from '../../../shared/api/monitor.ts'
import type { ShipExit } from '../../../shared/model/ship.ts'
import { type Aboard, about } from '../../roster.ts'

export interface Remains {
  /** Null when there is no container, or it never ran. */
  exit: ShipExit | null
  /** The machine was started anew since, or the container never ran: nothing the ship did. */
  hostRestarted: boolean
  /** Docker's own word on why it could not run. */
  error: string
}

/** Null when nobody wants to hear of it. */
export function verdict(entry: Aboard, remains: Remains): ShipReport | null {
  const { exit } = remains
  const said = (reason: string) => ({
    ...about(entry.grant, entry.ending),
    reason: reason.slice(0, 1_000),
    exit,
  })
  const returned = (fault: boolean, reason: string): ShipReport => ({
    ...said(reason),
    state: 'Returned',
    fault,
  })
  const how = howItEnded(entry, remains)
  switch (entry.ending?.why) {
    case 'stray':
      return null
    case 'asked':
      return { ...said(exit ? `stopped as asked: it ${how}` : 'stopped as asked'), state: 'Stopped' }
    case 'late':
      return returned(true, entry.ending.reason)
    case 'given-back':
      return returned(false, entry.ending.reason)
  }
  if (remains.hostRestarted) return returned(false, 'the host restarted')
  if (entry.phase === 'Starting' || entry.phase === 'Claimed') {
    return returned(true, `it ${how} before it was ready${lastWords(exit)}`)
  }
  if (exit?.code === 0) return { ...said('it ended by itself'), state: 'Stopped' }
  return { ...said(`it ${how}${lastWords(exit)}`), state: 'Failed' }
}

function howItEnded({ grant }: Aboard, { exit, error }: Remains): string {
  if (!exit) return "was gone: its container had been removed by somebody else than Armada's agent"
  if (exit.oomKilled) {
    return `was killed for using more than its ${grant.spec.resources.memoryMiB} MiB of memory (OOM, exit code ${exit.code})`
  }
  return `ended with exit code ${exit.code}${error ? ` (${error})` : ''}`
}

function lastWords(exit: ShipExit | null): string {
  const line = exit?.logTail.findLast((one) => one.trim() !== '')
  return line === undefined ? '' : `; its last line: ${line.slice(0, 300)}`
}
