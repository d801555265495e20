// Ranking: host slots ordered by score, in lanes, with every change and every look at the best in constant time.
//
// A lane is an array of chains, one for each score, and a bit for each chain that is not empty. The chains run
// through columns by slot, so that ranking a host anew makes no garbage.
class Lane {
  /** First slot of each score's chain, or -1. */
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

export class Ranking {
  readonly #lanes: Lane[] = []
  #score = new Int16Array(0)
  #lane = new Int32Array(0)
  #before = new Int32Array(0)
  #after = new Int32Array(0)

  /** The score of a slot, or -1 when it is not ranked. */
  scoreOf(slot: number): number {
    return slot < this.#score.length ? (this.#score[slot] as number) : -1
  }

  /** Ranks a slot; a score of -1 takes it out. */
  set(slot: number, lane: number, score: number): void {
    if (slot >= this.#score.length) {
      if (score < 0) return
      this.#grow(slot + 1)
    }
    const old = this.#score[slot] as number
    if (old === score && (score < 0 || this.#lane[slot] === lane)) return
    if (old >= 0) this.#takeOut(slot, old)
    this.#score[slot] = score
    if (score >= 0) this.#putIn(slot, lane, score)
  }

  /** The slot of the highest score in a lane that is not passed over, or -1. */
  best(lane: number, passOver?: (slot: number) => boolean): number {
    const at = this.#lanes[lane]
    if (!at) return -1
    while (at.topWord >= 0 && at.bits[at.topWord] === 0) at.topWord--
    for (let word = at.topWord; word >= 0; word--) {
      for (let bits = at.bits[word] as number; bits !== 0; ) {
        const bit = 31 - Math.clz32(bits)
        let slot = at.heads[word * 32 + bit] as number
        while (slot >= 0 && passOver?.(slot)) slot = this.#after[slot] as number
        if (slot >= 0) return slot
        bits &= ~(1 << bit)
      }
    }
    return -1
  }

  #putIn(slot: number, laneIndex: number, score: number): void {
    while (this.#lanes.length <= laneIndex) this.#lanes.push(new Lane())
    const lane = this.#lanes[laneIndex] as Lane
    lane.reach(score)
    const first = lane.heads[score] as number
    this.#before[slot] = -1
    this.#after[slot] = first
    if (first >= 0) this.#before[first] = slot
    lane.heads[score] = slot
    this.#lane[slot] = laneIndex
    const word = score >> 5
    lane.bits[word] = (lane.bits[word] as number) | (1 << (score & 31))
    if (word > lane.topWord) lane.topWord = word
  }

  #takeOut(slot: number, score: number): void {
    const before = this.#before[slot] as number
    const after = this.#after[slot] as number
    if (after >= 0) this.#before[after] = before
    if (before >= 0) {
      this.#after[before] = after
      return
    }
    const lane = this.#lanes[this.#lane[slot] as number] as Lane
    lane.heads[score] = after
    if (after < 0) lane.bits[score >> 5] = (lane.bits[score >> 5] as number) & ~(1 << (score & 31))
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#score.length * 2, 64)
    const score = new Int16Array(size).fill(-1, this.#score.length)
    score.set(this.#score)
    this.#score = score
    this.#lane = grown(this.#lane, size)
    this.#before = grown(this.#before, size)
    this.#after = grown(this.#after, size)
  }
}

function grown(old: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const array = new Int32Array(size)
  array.set(old)
  return array
}
