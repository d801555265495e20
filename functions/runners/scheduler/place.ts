// Place: a ship is put on a host of the board, with port numbers of its own.
import type { Explanation } from '../../../shared/model/explanation.ts'
import type { PortChoice } from '../../../shared/model/port.ts'
import type { Board } from './board.ts'
import type { DemandClass, DemandClasses } from './demandClasses.ts'
import type { HostRow } from './hostRow.ts'
import type { Entry } from './pile.ts'

export interface Placed {
  entry: Entry
  host: string
  ports: PortChoice
  why: Explanation
}

export function place(
  board: Board,
  { explainer }: DemandClasses,
  demandClass: DemandClass,
  host: HostRow,
  entry: Entry,
  nowMs: number,
): Placed {
  const why = explainer.why(demandClass, host, nowMs)
  const { ship, attempt, demand } = entry.ticket
  const { ports, numbers } = host.ports.choose(demandClass.rules.ports)
  const { fleet, resources } = demand
  board.assume(host, { ship, attempt, fleet, resources, hostPorts: numbers }, nowMs)
  return { entry, host: host.id, ports, why }
}
