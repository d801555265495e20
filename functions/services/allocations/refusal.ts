// Why no ship is free: how many there are, and what stands in the way of each.

import { ArmadaError } from '../../../shared/errors.ts'
import type { Want } from '../../../shared/model/allocation.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isFinished } from '../../../shared/model/shipState.ts'
import { covers } from '../../../shared/model/token.ts'
import type { Stores } from '../../stores/stores.ts'
import { allocate, mismatch } from '../changes/allocating.ts'
import type { Ask } from './drafts.ts'
import type { Lanes } from './lanes.ts'
import { likeness } from './likeness.ts'

/** While many are refused for the same reasons, these are counted this often only. */
const countedMs = 250
const reasonsTold = 6

export class Refusals {
  readonly #lanes: Lanes
  readonly #stores: Pick<Stores, 'ships' | 'fleets'>
  readonly #counted = new Map<string, { text: string; atMs: number }>()

  constructor(lanes: Lanes, stores: Pick<Stores, 'ships' | 'fleets'>) {
    this.#lanes = lanes
    this.#stores = stores
  }

  noneFree(ask: Ask, more = ''): ArmadaError {
    const wanted = ask.count > 1 ? `There are not ${ask.count} free ships` : 'No ship is free'
    const texts = ask.wants.map((want) => this.#textFor(want, ask))
    const told =
      texts.length === 1 ? texts[0] : texts.map((text, i) => `selector ${i + 1}: ${text}`).join('; ')
    return new ArmadaError('none_free', `${wanted}${more}. Of those asked for, ${told}.`, {
      retryAfterSeconds: 1,
    })
  }

  #textFor(want: Want, ask: Ask): string {
    const key = `${ask.count > 1} ${likeness(want)}`
    const nowMs = performance.now()
    const known = this.#counted.get(key)
    if (known && nowMs - known.atMs < countedMs) return known.text
    const text = this.#count(want, ask)
    if (this.#counted.size > 1_000) this.#counted.clear()
    this.#counted.set(key, { text, atMs: nowMs })
    return text
  }

  #count({ selector, fleets }: Want, ask: Ask): string {
    const { table, index } = this.#stores.ships
    const { fleet } = selector
    const rows = fleet === undefined ? [...table.rows()].map(([, row]) => row) : index.ofFleet(fleet)
    const reasons = new Map<string, number>()
    for (const { value: ship } of rows) {
      if (isFinished(ship.state) || !covers(fleets, ship.fleet)) continue
      const reason = mismatch(selector, ship) ?? this.#further(ship, ask)
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
    const of = fleet === undefined ? '' : ` of fleet "${fleet}"`
    if (reasons.size === 0) return this.#absent(fleet, fleets)
    const sorted = [...reasons].sort(([, a], [, b]) => b - a)
    const shown = sorted.slice(0, reasonsTold).map(([reason, count]) => `${count}${of}: ${reason}`)
    return [...shown, ...(sorted.length > reasonsTold ? ['…'] : [])].join(', ')
  }

  /** A fleet that the caller may not see is told of like one that does not exist. */
  #absent(fleet: string | undefined, seen: Want['fleets']): string {
    if (fleet === undefined) return 'there is none'
    const exists = covers(seen, fleet) && this.#stores.fleets.table.get(fleet) !== undefined
    return exists ? `there is none of fleet "${fleet}"` : `there is none, nor a fleet "${fleet}"`
  }

  #further(ship: Ship, { taking, count }: Ask): string {
    if (this.#lanes.tierOf(ship) === undefined) return 'its host is being drained'
    const taken = allocate(ship, taking, Date.now())
    if (taken instanceof Error) return taken.message
    // Of several that are wanted together some may well be free.
    return count > 1 ? 'free, if nobody else waits for them' : 'others were faster, or wait for longer'
  }
}

export function gone(): ArmadaError {
  return new ArmadaError('request_timeout', 'The caller hung up before there was an answer.')
}

export function contended(tries: number): ArmadaError {
  return new ArmadaError(
    'unavailable',
    `Others were faster ${tries} times. Try again; more ApiServers or fewer ships than requests make it likely.`,
    { retryAfterSeconds: 1 },
  )
}

export function tooLarge({ count }: Ask): ArmadaError {
  const message = `${count} ships with all that they are given are more than etcd takes at once. Ask for fewer ships, or give them less.`
  return new ArmadaError('invalid_request', message)
}

export function tooMany(most: number): ArmadaError {
  return new ArmadaError('unavailable', `${most} allocations wait at this ApiServer. Try again.`, {
    retryAfterSeconds: 1,
  })
}
