// Simulate: what would be decided, tried on the board itself and taken back before anybody else sees it.
//
// INVARIANTS
// - It runs in one go; afterwards the board holds what it held. Only the search for ports goes on elsewhere.
// - Its ships have names that no ship can have.
import {
  type EmptyQuestion,
  type EmptyReply,
  mostSimulated,
  type PlaceQuestion,
  type PlaceReply,
  type Question,
  type Reply,
} from '../../../shared/model/question.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import type { Board } from './board.ts'
import { cell, rowCells } from './cells.ts'
import type { DemandClass, DemandClasses } from './demandClasses.ts'
import type { HostRow } from './hostRow.ts'
import { fullCheck } from './refusal.ts'

export function replyTo(question: Question, board: Board, classes: DemandClasses): Reply {
  const trial = new Trial(board, classes)
  try {
    return question.kind === 'place' ? places(question, trial) : emptied(question, trial)
  } finally {
    trial.undo(0)
  }
}

function places({ demand, count }: PlaceQuestion, trial: Trial): PlaceReply {
  const demandClass = trial.classOf(demand)
  const byHost = new Map<string, number>()
  let more = 0
  for (let i = 0; i < mostSimulated; i++) {
    const found = trial.find(demandClass)
    if (!('host' in found)) return { ...told(), reason: found.reason, why: found.why }
    const { host } = found
    trial.put(demandClass, host)
    if (i < count) byHost.set(host.id, (byHost.get(host.id) ?? 0) + 1)
    else more++
  }
  return { ...told(), reason: null, why: null }

  function told() {
    const hosts = [...byHost].map(([host, ships]) => ({ host, ships })).sort((a, b) => b.ships - a.ships)
    return { kind: 'place' as const, hosts, more }
  }
}

/** Host after host: what was moved for one stays moved for the next, so that all moves fit together. */
function emptied({ demands, hosts }: EmptyQuestion, trial: Trial): EmptyReply {
  const closed: string[] = []
  const taking = new Set<string>()
  const replies = hosts.map(({ host, ships }): EmptyReply['hosts'][number] => {
    if (taking.has(host))
      return { host, moves: null, reason: 'it would take ships of hosts that are emptied' }
    const before = trial.size
    const moves: { ship: string; to: string }[] = []
    for (const [ship, number] of ships) {
      const demandClass = trial.classOf(demands[number] as Demand)
      const to = trial.usedHost(demandClass, [...closed, host])
      if (!to) {
        trial.undo(before)
        return { host, moves: null, reason: `ship ${ship} fits on no other host that is in use` }
      }
      trial.put(demandClass, to)
      moves.push({ ship, to: to.id })
    }
    closed.push(host)
    for (const { to } of moves) taking.add(to)
    return { host, moves, reason: null }
  })
  return { kind: 'empty', hosts: replies }
}

class Trial {
  readonly #board: Board
  readonly #classes: DemandClasses
  readonly #ships: string[] = []

  constructor(board: Board, classes: DemandClasses) {
    this.#board = board
    this.#classes = classes
  }

  get size(): number {
    return this.#ships.length
  }

  classOf(demand: Demand): DemandClass {
    return this.#classes.of(JSON.stringify(demand), demand)
  }

  find(demandClass: DemandClass): ReturnType<typeof fullCheck> {
    const host = demandClass.candidates.best([])
    return host ? { host } : fullCheck(this.#board, demandClass)
  }

  usedHost({ candidates }: DemandClass, except: readonly string[]): HostRow | undefined {
    const host = candidates.best(except)
    if (!host || except.includes(host.id)) return undefined
    const { table } = this.#board.stock
    return (table[host.slot * rowCells + cell.ships] as number) > 0 ? host : undefined
  }

  put({ rules }: DemandClass, host: HostRow): void {
    const { fleet, resources } = rules.demand
    const { numbers } = host.ports.choose(rules.ports)
    const ship = `?${this.#ships.length}`
    this.#board.assume(host, { ship, attempt: 1, fleet, resources, hostPorts: numbers }, 0)
    this.#ships.push(ship)
  }

  /** Takes back all but the first so many. */
  undo(left: number): void {
    for (const ship of this.#ships.splice(left)) this.#board.drop(ship)
  }
}
