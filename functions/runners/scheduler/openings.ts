// Openings: which empty hosts may take a ship that would still fit elsewhere, so that it is not squeezed in there.
//
// A host whose memory is used up while half of its CPU is free is a loss that nothing mends later. With one host
// open at a time every ship must go there, whatever it leaves over; with one of each shape each ship has a choice.
//
// INVARIANTS
// - At most one empty host of a shape stands ajar, and only while no host of that shape is open.
// - None stands ajar when an empty host is larger in both CPU and memory: that one is to be opened before it.
import type { Resources } from '../../../shared/model/resources.ts'

/** A used host is open while more than this share of both resources is free. */
const openFrom = 0.2
/** Hosts of one type report a little more or less memory: steps of 9 %, and one step more is not yet larger. */
const stepsInDoubling = 8

interface Shape {
  readonly key: string
  readonly cpu: number
  readonly memory: number
  hosts: number
  open: number
  readonly empty: number[]
  /** The slot of the empty host that stands ajar, or -1. */
  ajar: number
}

interface Place {
  readonly shape: Shape
  state: 'empty' | 'open' | 'closed'
  /** Where its slot stands among the empty ones. */
  at: number
}

export class Openings {
  readonly #onTurn: (slot: number) => void
  readonly #shapes = new Map<string, Shape>()
  /** The same, the one with most CPU first. */
  #ordered: Shape[] = []
  readonly #places: (Place | undefined)[] = []

  /** @param onTurn is called with each slot that begins or ceases to stand ajar. */
  constructor(onTurn: (slot: number) => void) {
    this.#onTurn = onTurn
  }

  isAjar(slot: number): boolean {
    return this.#places[slot]?.shape.ajar === slot
  }

  /** An empty host came that takes ships. */
  enter(slot: number, capacity: Resources): void {
    const shape = this.#shapeOf(capacity)
    shape.hosts++
    this.#places[slot] = { shape, state: 'empty', at: shape.empty.push(slot) - 1 }
    if (shape.empty.length === 1) this.#choose()
  }

  leave(slot: number): void {
    const place = this.#places[slot]
    if (!place) return
    this.#move(slot, place, 'closed')
    this.#places[slot] = undefined
    if (--place.shape.hosts > 0) return
    this.#shapes.delete(place.shape.key)
    this.#ordered = this.#ordered.filter((one) => one !== place.shape)
  }

  /** @param free the smaller of the shares of CPU and memory that are free. */
  follow(slot: number, ships: number, free: number): void {
    const place = this.#places[slot]
    const state = ships <= 0 ? 'empty' : free > openFrom ? 'open' : 'closed'
    if (place && place.state !== state) this.#move(slot, place, state)
  }

  #move(slot: number, place: Place, state: Place['state']): void {
    const { shape } = place
    const before = signature(shape)
    if (place.state === 'empty') this.#takeOut(shape, place.at)
    if (place.state === 'open') shape.open--
    if (state === 'empty') place.at = shape.empty.push(slot) - 1
    if (state === 'open') shape.open++
    place.state = state
    const wasAjar = shape.ajar === slot
    if (wasAjar) shape.ajar = -1
    if (wasAjar || before !== signature(shape)) this.#choose()
  }

  #takeOut({ empty }: Shape, at: number): void {
    const last = empty.pop() as number
    if (at === empty.length) return
    empty[at] = last
    ;(this.#places[last] as Place).at = at
  }

  #choose(): void {
    const shapes = this.#ordered
    let mostMemory = -1
    let larger = 0
    for (const shape of shapes) {
      for (; (shapes[larger] as Shape).cpu > shape.cpu + 1; larger++) {
        const { empty, memory } = shapes[larger] as Shape
        if (empty.length > 0) mostMemory = Math.max(mostMemory, memory)
      }
      const wanted = shape.empty.length > 0 && shape.open === 0 && mostMemory <= shape.memory + 1
      if (wanted === shape.ajar >= 0) continue
      const slot = wanted ? (shape.empty.at(-1) as number) : shape.ajar
      shape.ajar = wanted ? slot : -1
      this.#onTurn(slot)
    }
  }

  #shapeOf({ cpuMillis, memoryMiB }: Resources): Shape {
    const [cpu, memory] = [stepOf(cpuMillis), stepOf(memoryMiB)]
    const key = `${cpu}/${memory}`
    const known = this.#shapes.get(key)
    if (known) return known
    const shape: Shape = { key, cpu, memory, hosts: 0, open: 0, empty: [], ajar: -1 }
    this.#shapes.set(key, shape)
    this.#ordered = [...this.#ordered, shape].sort((a, b) => b.cpu - a.cpu || b.memory - a.memory)
    return shape
  }
}

function stepOf(amount: number): number {
  return Math.round(stepsInDoubling * Math.log2(1 + amount))
}

/** All that decides which hosts of a shape, and of others, stand ajar. */
function signature({ empty, open }: Shape): number {
  return (empty.length > 0 ? 2 : 0) + (open > 0 ? 1 : 0)
}
