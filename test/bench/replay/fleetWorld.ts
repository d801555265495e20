// A fleet in simulated time: sessions come and go, ships take a while to start, and the product's own decider scales it.
import { decide } from '../../../functions/runners/controllers/autoscale/decide.ts'
import type { Memory } from '../../../functions/runners/controllers/autoscale/pace.ts'
import { Heap } from '../../../functions/runners/scheduler/heap.ts'
import type { Autoscale } from '../../../shared/model/autoscale.ts'

/** One session: it wants a ship, and keeps it for a while. */
export interface Arrival {
  atMs: number
  durationMs: number
}

export interface WorldOptions {
  autoscale: Autoscale
  /** From the order of a ship until it is Ready. */
  startMs: number
  /** How long a session waits for a ship before it goes away. */
  patienceMs: number
  /** The controllers look again after so long without an event. */
  everyMs?: number
  /** What host-hours are counted by. */
  shipsPerHost?: number
}

export interface Outcome {
  arrivals: number
  /** Sessions that went away without a ship. */
  missed: number
  /** Of sessions that got one, in order. */
  waitsMs: number[]
  /** Ships there were, over time. */
  shipMs: number
  /** Hosts that they fill, one after the other. */
  hostMs: number
  usedMs: number
  most: number
  /** Changes of the replicas, and how many of them went the other way than the one before. */
  changes: number
  turns: number
  /** The replicas from each moment on. */
  line: readonly { atMs: number; replicas: number; ships: number; wanted: number; why: string }[]
}

type Event = { atMs: number } & (
  | { is: 'arrival'; session: Session }
  | { is: 'gone'; session: Session }
  | { is: 'ready'; ship: Ship }
  | { is: 'end' | 'look' }
)
interface Ship {
  calledOff: boolean
}
interface Session extends Arrival {
  state: 'waits' | 'served' | 'gone'
}

/** Plays the arrivals, which come in the order of their times, until the last of them is over. */
export function play(arrivals: readonly Arrival[], options: WorldOptions): Outcome {
  const { autoscale, startMs, patienceMs, everyMs = 1_000, shipsPerHost = 10 } = options
  const calendar = new Heap<Event>(({ atMs }) => atMs)
  const world = { ready: 0, used: 0, replicas: autoscale.min }
  /** Ships that start, the newest last. */
  let starting: Ship[] = []
  const there = () => starting.length + world.ready + world.used
  const queue: Session[] = []
  const outcome = {
    missed: 0,
    waitsMs: [] as number[],
    shipMs: 0,
    hostMs: 0,
    usedMs: 0,
    most: 0,
    changes: 0,
    turns: 0,
  }
  const line: Outcome['line'][number][] = []
  let memory: Memory | undefined
  let nowMs = arrivals[0]?.atMs ?? 0
  let direction = 0
  let open = arrivals.length

  const start = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const ship = { calledOff: false }
      starting.push(ship)
      calendar.push({ is: 'ready', atMs: nowMs + startMs, ship })
    }
  }
  const serve = (): void => {
    while (world.ready > 0 && queue.length > 0) {
      const session = queue.shift() as Session
      if (session.state !== 'waits') continue
      session.state = 'served'
      world.ready--
      world.used++
      outcome.waitsMs.push(nowMs - session.atMs)
      calendar.push({ is: 'end', atMs: nowMs + session.durationMs })
    }
  }
  /** As the fleet controller does it: what starts goes first, and ships in use stay. */
  const keep = (): void => {
    let surplus = there() - world.replicas
    if (surplus < 0) start(-surplus)
    for (; surplus > 0 && starting.length > 0; surplus--) (starting.pop() as Ship).calledOff = true
    world.ready -= Math.max(0, Math.min(surplus, world.ready))
  }
  const look = (): void => {
    const waiting = queue.filter(({ state }) => state === 'waits').length
    const ships = { Starting: starting.length, Ready: world.ready, Allocated: world.used }
    // A ship is one session's: what counters and lists hold is the same as what is in use.
    const measure = { used: world.used, capacity: there(), each: 1 }
    const measures = new Proxy({}, { get: () => measure })
    const fleet = { replicas: world.replicas, ships, illInUse: 0, waiting, measures, autoscale }
    const decision = decide({ fleet, advice: new Map(), clockMs: nowMs }, memory, nowMs)
    memory = decision.memory
    const { replicas, wanted, why } = decision
    const way = Math.sign(replicas - world.replicas)
    if (way !== 0) {
      outcome.changes++
      if (direction !== 0 && way !== direction) outcome.turns++
      direction = way
    }
    world.replicas = replicas
    keep()
    outcome.most = Math.max(outcome.most, there())
    if (way !== 0 || line.length === 0) line.push({ atMs: nowMs, replicas, ships: there(), wanted, why })
  }
  const happen = (event: Event): void => {
    if (event.is === 'arrival') {
      queue.push(event.session)
      calendar.push({ is: 'gone', atMs: nowMs + patienceMs, session: event.session })
    }
    if (event.is === 'gone' && event.session.state === 'waits') {
      event.session.state = 'gone'
      outcome.missed++
      open--
    }
    if (event.is === 'ready' && !event.ship.calledOff) {
      starting = starting.filter((ship) => ship !== event.ship)
      world.ready++
    }
    if (event.is === 'end') {
      world.used--
      world.ready++
      open--
    }
    if (event.is === 'look' && open > 0) calendar.push({ is: 'look', atMs: nowMs + everyMs })
  }

  world.ready = world.replicas
  for (const arrival of arrivals) {
    calendar.push({ is: 'arrival', atMs: arrival.atMs, session: { ...arrival, state: 'waits' } })
  }
  calendar.push({ is: 'look', atMs: nowMs })
  for (let event = calendar.pop(); event && open > 0; event = calendar.pop()) {
    const passedMs = event.atMs - nowMs
    outcome.shipMs += passedMs * there()
    outcome.hostMs += passedMs * Math.ceil(there() / shipsPerHost)
    outcome.usedMs += passedMs * world.used
    nowMs = event.atMs
    happen(event)
    serve()
    look()
  }
  return { arrivals: arrivals.length, ...outcome, line }
}
