// Openings: which empty hosts may take a ship that would still fit elsewhere, so that it is not squeezed in there.
//
// A host whose memory is used up while half of its CPU is free is a loss that nothing mends later. With one host
// open at a time every ship must go there, whatever it leaves over; with one of each shape each ship has a choice.
// While there is plenty of room, few hosts in use is what counts, for the others can be switched off; once the
// cluster is tight, it is that no ship is refused.
//
// INVARIANTS
// - At most one empty host of a shape stands ajar, and only while no host of that shape is open.
// - Until the cluster is tight, none stands ajar when an empty host is larger in both CPU and memory: that one is to
//   be opened before it.
// - What stands ajar, but for which host of a shape, and whether the cluster is tight follow from what is left of the
//   hosts, not from how it came about.
import type { Resources } from '../../../shared/model/resources.ts'

/** A used host is open while more than this share of both resources is free. */
const openFrom = 0.2
/** The cluster is tight while less than this share of its CPU or of its memory is left. */
const tightBelow = 0.35
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
  readonly capacity: Resources
  readonly shape: Shape
  state: 'empty' | 'open' | 'closed'
  /** Where its slot stands among the empty ones. */
  at: number
  cpuLeft: number
  memoryLeft: number
}

export class Openings {
  readonly #onTurn: (slot: number) => void
  readonly #shapes = new Map<string, Shape>()
  /** The same, the one with most CPU first. */
  #ordered: Shape[] = []
  readonly #places: (Place | undefined)[] = []
  /** Of all hosts that take ships. */
  readonly #capacity = { cpu: 0, memory: 0 }
  readonly #left = { cpu: 0, memory: 0 }
  #tight = false

  /** @param onTurn is called with each slot that begins or ceases to stand ajar. */
  constructor(onTurn: (slot: number) => void) {
    this.#onTurn = onTurn
  }

  isAjar(slot: number): boolean {
    return this.#places[slot]?.shape.ajar === slot
  }

  get isTight(): boolean {
    return this.#tight
  }

  /** An empty host came that takes ships. */
  enter(slot: number, capacity: Resources): void {
    const shape = this.#shapeOf(capacity)
    shape.hosts++
    const at = shape.empty.push(slot) - 1
    const { cpuMillis: cpuLeft, memoryMiB: memoryLeft } = capacity
    const place: Place = { capacity, shape, state: 'empty', at, cpuLeft, memoryLeft }
    this.#places[slot] = place
    if (this.#count(place, 1) || shape.empty.length === 1) this.#choose()
  }

  leave(slot: number): void {
    const place = this.#places[slot]
    if (!place) return
    this.#move(slot, place, 'closed')
    this.#places[slot] = undefined
    if (this.#count(place, -1)) this.#choose()
    if (--place.shape.hosts > 0) return
    this.#shapes.delete(place.shape.key)
    this.#ordered = this.#ordered.filter((one) => one !== place.shape)
  }

  /** What is left of a host, and how many ships it has, changed. */
  follow(slot: number, ships: number, cpuLeft: number, memoryLeft: number): void {
    const place = this.#places[slot]
    if (!place) return
    const { cpuMillis, memoryMiB } = place.capacity
    const isOpen = cpuLeft > openFrom * cpuMillis && memoryLeft > openFrom * memoryMiB
    const state = ships <= 0 ? 'empty' : isOpen ? 'open' : 'closed'
    this.#left.cpu += cpuLeft - place.cpuLeft
    this.#left.memory += memoryLeft - place.memoryLeft
    place.cpuLeft = cpuLeft
    place.memoryLeft = memoryLeft
    const turned = this.#turn()
    if (place.state !== state) this.#move(slot, place, state)
    if (turned) this.#choose()
  }

  /** A host came or leaves. @returns whether the cluster became tight by it, or ceased to be. */
  #count({ capacity, cpuLeft, memoryLeft }: Place, by: 1 | -1): boolean {
    this.#capacity.cpu += by * capacity.cpuMillis
    this.#capacity.memory += by * capacity.memoryMiB
    this.#left.cpu += by * cpuLeft
    this.#left.memory += by * memoryLeft
    return this.#turn()
  }

  #turn(): boolean {
    const { cpu, memory } = this.#left
    const before = this.#tight
    this.#tight = cpu < tightBelow * this.#capacity.cpu || memory < tightBelow * this.#capacity.memory
    return this.#tight !== before
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
      const isLargest = mostMemory <= shape.memory + 1
      const wanted = shape.empty.length > 0 && shape.open === 0 && (isLargest || this.#tight)
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
