// Ranking: host slots ordered by score, in lanes, with every change and every look at the best in constant time.
//
// A lane is an array of buckets, one for each score, and a bit for each bucket that is not empty.
class Lane {
  readonly buckets: (number[] | undefined)[] = []
  readonly bits: number[] = []
  topWord = -1
}

export class Ranking {
  readonly #lanes: Lane[] = []
  #score = new Int32Array(0)
  #lane = new Int32Array(0)
  #where = new Int32Array(0)

  /** The score of a slot, or -1 when it is not ranked. */
  scoreOf(slot: number): number {
    return slot < this.#score.length ? (this.#score[slot] ?? -1) : -1
  }

  /** Ranks a slot; a score of -1 takes it out. */
  set(slot: number, lane: number, score: number): void {
    if (slot >= this.#score.length) this.#grow(slot + 1)
    if (this.#score[slot] === score && (score < 0 || this.#lane[slot] === lane)) return
    if ((this.#score[slot] ?? -1) >= 0) this.#takeOut(slot)
    this.#score[slot] = score
    if (score >= 0) this.#putIn(slot, lane, score)
  }

  /** The slot of the highest score in a lane that is not passed over, or -1. */
  best(lane: number, passOver?: (slot: number) => boolean): number {
    const at = this.#lanes[lane]
    if (!at) return -1
    for (let word = this.#top(at); word >= 0; word--) {
      for (let bits = at.bits[word] ?? 0; bits !== 0; ) {
        const bit = 31 - Math.clz32(bits)
        const bucket = at.buckets[word * 32 + bit] ?? []
        for (let i = bucket.length - 1; i >= 0; i--) {
          const slot = bucket[i] ?? -1
          if (!passOver?.(slot)) return slot
        }
        bits &= ~(1 << bit)
      }
    }
    return -1
  }

  #top(lane: Lane): number {
    while (lane.topWord >= 0 && !lane.bits[lane.topWord]) lane.topWord--
    return lane.topWord
  }

  #putIn(slot: number, laneIndex: number, score: number): void {
    while (this.#lanes.length <= laneIndex) this.#lanes.push(new Lane())
    const lane = this.#lanes[laneIndex] as Lane
    const word = score >> 5
    while (lane.bits.length <= word) lane.bits.push(0)
    while (lane.buckets.length <= score) lane.buckets.push(undefined)
    const bucket = lane.buckets[score] ?? []
    lane.buckets[score] = bucket
    this.#where[slot] = bucket.push(slot) - 1
    this.#lane[slot] = laneIndex
    lane.bits[word] = (lane.bits[word] ?? 0) | (1 << (score & 31))
    if (word > lane.topWord) lane.topWord = word
  }

  #takeOut(slot: number): void {
    const score = this.#score[slot] ?? 0
    const lane = this.#lanes[this.#lane[slot] ?? 0] as Lane
    const bucket = lane.buckets[score] as number[]
    const last = bucket.pop() as number
    const where = this.#where[slot] ?? 0
    if (last !== slot) {
      bucket[where] = last
      this.#where[last] = where
    }
    if (bucket.length === 0) lane.bits[score >> 5] = (lane.bits[score >> 5] ?? 0) & ~(1 << (score & 31))
  }

  #grow(least: number): void {
    const size = Math.max(least, this.#score.length * 2, 64)
    const grown = (old: Int32Array, byDefault: number) => {
      const array = new Int32Array(size).fill(byDefault, old.length)
      array.set(old)
      return array
    }
    this.#score = grown(this.#score, -1)
    this.#lane = grown(this.#lane, 0)
    this.#where = grown(this.#where, 0)
  }
}
