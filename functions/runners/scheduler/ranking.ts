// Ranking: host slots ordered by score, in lanes, with every change and every look at the best in constant time.
//
// A lane is an array of chains, one for each score, and a bit for each chain that is not empty. The chains run
// through a table by slot, so that ranking a host anew makes no garbage.
class Lane {
  /** Where the row of each chain's first slot begins, or -1. */
  heads = new Int32Array(0)
  bits = new Int32Array(0)
  topWord = -1

  reach(score: number): void {
    if (score < this.heads.length) return
    const size = Math.max((score | 31) + 1, this.heads.length * 2)
    const heads = new Int32Array(size).fill(-1, this.heads.length)
    heads.set(this.heads)
    this.heads = heads
    const bits = new Int32Array(size >> 5)
    bits.set(this.bits)
    this.bits = bits
  }
}

/** Cells of a slot's row in the table: 16 bytes, so that a row lies in one line of the processor's cache. */
const lane = 0
const before = 1
const after = 2
const rowCells = 4

export class Ranking {
  readonly #lanes: Lane[] = []
  #table = new Int32Array(0)
  /** Scores stand apart: most hosts that changed score as before, and their rows need not be fetched. */
  #scores = new Int32Array(0)

  /** The score of a slot, or -1 when it is not ranked. */
  scoreOf(slot: number): number {
    return this.#scores[slot] ?? -1
  }

  /** Ranks a slot; a score of -1 takes it out. */
  set(slot: number, laneIndex: number, newScore: number): void {
    if (slot >= this.#scores.length) {
      if (newScore < 0) return
      this.#grow(slot + 1)
    }
    const old = this.#scores[slot] as number
    const at = slot * rowCells
    const table = this.#table
    if (old === newScore && (newScore < 0 || this.#stays(at, laneIndex))) return
    if (old >= 0) this.#takeOut(table, at, old)
    this.#scores[slot] = newScore
    if (newScore >= 0) this.#putIn(table, at, laneIndex, newScore)
  }

  /** The slot of the highest score in a lane that is not passed over, or -1. */
  best(laneIndex: number, passOver?: (slot: number) => boolean): number {
    const from = this.#lanes[laneIndex]
    if (!from) return -1
    while (from.topWord >= 0 && from.bits[from.topWord] === 0) from.topWord--
    for (let word = from.topWord; word >= 0; word--) {
      for (let bits = from.bits[word] as number; bits !== 0; ) {
        const bit = 31 - Math.clz32(bits)
        let at = from.heads[word * 32 + bit] as number
        while (at >= 0 && passOver?.(at / rowCells)) at = this.#table[at + after] as number
        if (at >= 0) return at / rowCells
        bits &= ~(1 << bit)
      }
    }
    return -1
  }

  #stays(at: number, laneIndex: number): boolean {
    return (laneIndex === 0 && this.#lanes.length === 1) || this.#table[at + lane] === laneIndex
  }

  #putIn(table: Int32Array, at: number, laneIndex: number, newScore: number): void {
    while (this.#lanes.length <= laneIndex) this.#lanes.push(new Lane())
    const into = this.#lanes[laneIndex] as Lane
    into.reach(newScore)
    const first = into.heads[newScore] as number
    table[at + lane] = laneIndex
    table[at + before] = -1
    table[at + after] = first
    if (first >= 0) table[first + before] = at
    into.heads[newScore] = at
    const word = newScore >> 5
    into.bits[word] = (into.bits[word] as number) | (1 << (newScore & 31))
    if (word > into.topWord) into.topWord = word
  }

  #takeOut(table: Int32Array, at: number, old: number): void {
    const above = table[at + before] as number
    const below = table[at + after] as number
    if (below >= 0) table[below + before] = above
    if (above >= 0) {
      table[above + after] = below
      return
    }
    const from = this.#lanes[table[at + lane] as number] as Lane
    from.heads[old] = below
    if (below < 0) from.bits[old >> 5] = (from.bits[old >> 5] as number) & ~(1 << (old & 31))
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#scores.length * 2, 64)
    const table = new Int32Array(size * rowCells)
    table.set(this.#table)
    this.#table = table
    const scores = new Int32Array(size).fill(-1, this.#scores.length)
    scores.set(this.#scores)
    this.#scores = scores
  }
}
