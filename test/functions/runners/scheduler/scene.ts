// A board, a pile and the classes of a test, with time that passes between two decisions.
import { Board } from '../../../../functions/runners/scheduler/board.ts'
import { decide } from '../../../../functions/runners/scheduler/decide.ts'
import { DemandClasses } from '../../../../functions/runners/scheduler/demandClasses.ts'
import { Pile } from '../../../../functions/runners/scheduler/pile.ts'
import type { HostDescription } from '../../../../shared/model/host.ts'
import type { Ticket } from '../../../../shared/model/ticket.ts'

export class Scene {
  readonly board = new Board(7)
  readonly pile = new Pile()
  readonly classes = new DemandClasses(this.board)
  nowMs = 0

  constructor(hosts: readonly HostDescription[]) {
    for (const description of hosts) this.board.put({ description, degraded: null })
  }

  decide(tickets: readonly Ticket[], limit = 10_000) {
    const { board, pile, classes } = this
    for (const one of tickets) this.pile.add(one, this.nowMs)
    const decisions = decide({ board, pile, classes, nowMs: this.nowMs, limit })
    for (const { entry } of decisions.placed) this.pile.remove(entry)
    this.nowMs += 10_000
    return {
      ...decisions,
      hosts: decisions.placed.map((placed) => placed.host),
      ships: decisions.placed.map((placed) => placed.entry.ticket.ship),
      reasons: decisions.blocked.map((group) => group.reason),
    }
  }
}
