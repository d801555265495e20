// Figures: how the scheduler is doing, collected from one report to the next.
import type { SchedulerFigures, SchedulerTakeover } from '../../../shared/api/placements.ts'
import type { Board } from './board.ts'
import { cell, rowCells } from './cells.ts'

/** Of one report; when there are more turns, the later ones are not told. */
const mostTurns = 200
/** Looking at 100,000 hosts takes some 2 ms. */
const strandedEveryMs = 10_000

export class Figures {
  readonly #board: Board
  #turnsMs: number[] = []
  #strandedAtMs = Number.NEGATIVE_INFINITY
  #takeover: SchedulerTakeover | undefined

  constructor(board: Board) {
    this.#board = board
  }

  /** A turn decided for so long. */
  decided(ms: number): void {
    if (this.#turnsMs.length < mostTurns) this.#turnsMs.push(ms)
  }

  tookOver(takeover: SchedulerTakeover): void {
    this.#takeover = takeover
  }

  /** What has come together since the last time. */
  take(nowMs: number): SchedulerFigures {
    const turnsMs = this.#turnsMs
    this.#turnsMs = []
    const takeover = this.#takeover && { takeover: this.#takeover }
    this.#takeover = undefined
    if (nowMs - this.#strandedAtMs < strandedEveryMs) return { turnsMs, ...takeover }
    this.#strandedAtMs = nowMs
    return { turnsMs, ...takeover, stranded: strandedShares(this.#board) }
  }
}

/**
 * Of all CPU and memory, the share that is free on hosts which have less left of the other: no ship of the host's
 * own shape can use it.
 */
export function strandedShares({ rows, stock: { table } }: Board): { cpu: number; memory: number } {
  const all = { cpu: 0, memory: 0 }
  const stranded = { cpu: 0, memory: 0 }
  for (const row of rows) {
    if (!row) continue
    const at = row.slot * rowCells
    const cpu = table[at + cell.cpuMillis] as number
    const memory = table[at + cell.memoryMiB] as number
    const freeCpu = share(table[at + cell.freeCpuMillis] as number, cpu)
    const freeMemory = share(table[at + cell.freeMemoryMiB] as number, memory)
    all.cpu += cpu
    all.memory += memory
    stranded.cpu += Math.max(0, freeCpu - freeMemory) * cpu
    stranded.memory += Math.max(0, freeMemory - freeCpu) * memory
  }
  return { cpu: share(stranded.cpu, all.cpu), memory: share(stranded.memory, all.memory) }
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0
}
