// Place: a ship is put on a host of the board, with port numbers of its own.
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { PortChoice } from '../../../shared/model/port.ts'
import type { Board } from './board.ts'
import type { Rules } from './filters.ts'
import type { HostRow } from './hostRow.ts'
import type { Entry } from './pile.ts'

export interface Placed {
  entry: Entry
  host: string
  ports: PortChoice
  /** Not of ships that are placed together. */
  why?: Explanation
}

export function place(board: Board, rules: Rules, host: HostRow, entry: Entry, nowMs: number): Placed {
  const { ship, attempt, demand } = entry.ticket
  const { ports, numbers } = host.ports.choose(rules.ports)
  const { fleet, resources } = demand
  board.assume(host, { ship, attempt, fleet, resources, hostPorts: numbers }, nowMs)
  return { entry, host: host.id, ports }
}
