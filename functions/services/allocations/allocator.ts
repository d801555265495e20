// The allocator: takes requests as they come, and gives many of them their ships in one commit to etcd.
//
// STATES of a request  queued -> drafted -> given; queued -> (memory catches up) -> queued and sure -> refused, or
// waiting -> queued, whenever a ship becomes free, until its time is over -> refused; drafted -> queued, when another ApiServer was faster or the record had changed.
//
// INVARIANTS
// - One commit at a time is under way; requests that come meanwhile make the next one.
// - "None is free" is said only by memory that shows everything acknowledged before the request came, with no
//   draft beside it whose ships might become free again.
// - Whoever waits is before those who come later, at whichever ApiServer: see WaitingRoom. Who finds only what is
//   promised to others is refused when they have taken it, or could have.
// - Where the store does not say whether a commit happened, the same one is tried again; its conditions let it happen
//   once. A request that is refused then gives back what it may have got.
import { ArmadaError, type ProblemCode } from '../../../shared/errors.ts'
import type { Log } from '../../../shared/log.ts'
import { backoffMs, sleep } from '../../../shared/loop.ts'
import type { AllocationView } from '../../../shared/model/allocation.ts'
import { keyReused } from '../../middleware/idempotency.ts'
import type { Dealt } from '../../stores/allocations.ts'
import { TooLargeError } from '../../stores/etcd/kv.ts'
import type { Stores } from '../../stores/stores.ts'
import { allocationId } from '../changes/allocating.ts'
import { type Ask, type Draft, Drafts, dealOf } from './drafts.ts'
import { Lanes } from './lanes.ts'
import { isFor } from './promises.ts'
import { contended, gone, Refusals, tooLarge, tooMany } from './refusal.ts'
import { Unclaimed } from './unclaimed.ts'
import { heldMs, WaitingRoom } from './waiting.ts'

const mostQueued = 10_000
/** At all ApiServers together. */
const mostWaiting = 2_000
const mostInTurn = 200
/** Ships may be snatched away so often before the caller is told to try again. */
const mostTries = 50
const givenUpMs = 3_000
/** From one commit to the next where several come at once: at 2,000 requests a second that saves a tenth of all CPU. */
const commitEveryMs = 3
/** Whoever waits for promises of others to end looks this often. */
const keptLookMs = 100

export interface Request extends Ask {
  waitSeconds: number
  /** Whether nobody waits for the answer any more. */
  isGone(): boolean
}

export interface Given {
  allocations: AllocationView[]
  /** It was carried out before, under the same Idempotency-Key. */
  replayed: boolean
}

interface Pending extends Request {
  tries: number
  sure: boolean
  /** When it waits no longer. */
  endMs: number
  /** Its name among those who wait; undefined while it has not begun to. */
  waiter?: string
  /** At what others were promised, to see whether they take it. */
  looks: number
  give(given: Given): void
  refuse(error: unknown): void
}

export type AllocatorStores = Pick<
  Stores,
  'ships' | 'fleets' | 'hosts' | 'samples' | 'apiServers' | 'mirror' | 'allocations' | 'waiters'
>

/** Is told how each request ended. */
export type AllocationWatch = (result: 'allocated' | 'replayed' | ProblemCode, seconds: number) => void

export class Allocator {
  readonly #stores: AllocatorStores
  readonly #lanes: Lanes
  readonly #refusals: Refusals
  readonly #watch: AllocationWatch
  readonly #unclaimed: Unclaimed
  readonly #room: WaitingRoom<Pending>
  #stopped = false
  #queue: Pending[] = []
  #unsure: Pending[] = []
  #running = false
  #looking = false

  constructor(stores: AllocatorStores, watch: AllocationWatch, log: Log) {
    this.#watch = watch
    this.#stores = stores
    this.#unclaimed = new Unclaimed(stores, log)
    this.#lanes = new Lanes(stores)
    this.#refusals = new Refusals(this.#lanes, stores)
    this.#room = new WaitingRoom(stores, this.#lanes, log, (all) => {
      this.#queue.unshift(...all)
      void this.#run()
    })
  }

  /** Whoever waits is refused, to go on at another ApiServer. */
  stop(): void {
    this.#stopped = true
    for (const pending of this.#room.empty()) this.#refused(pending)
  }

  /** @throws ArmadaError none_free, key_reused, unavailable. */
  async take(request: Request): Promise<Given> {
    const startMs = performance.now()
    const told = (result: Parameters<AllocationWatch>[0]) =>
      this.#watch(result, (performance.now() - startMs) / 1_000)
    try {
      const given = await this.#take(request)
      told(given.replayed ? 'replayed' : 'allocated')
      return given
    } catch (error) {
      told(error instanceof ArmadaError ? error.code : 'internal')
      throw error
    }
  }

  #take(request: Request): Promise<Given> {
    if (this.#queue.length >= mostQueued) throw tooMany(mostQueued)
    return new Promise((give, refuse) => {
      const endMs = performance.now() + request.waitSeconds * 1_000
      // The other way round, copy first and add to it, takes V8 7 µs in place of 0.3.
      this.#queue.push({ tries: 0, looks: 0, sure: false, endMs, give, refuse, ...request })
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    // What has arrived with this one is answered with it.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) {
      const nextMs = performance.now() + commitEveryMs
      const batch = this.#queue.splice(0, mostInTurn)
      const isAlone = batch.length === 1
      await this.#turn(batch)
      if (!isAlone) await sleep(Math.max(0, nextMs - performance.now()))
    }
    this.#running = false
  }

  /** Never rejects. */
  async #turn(batch: Pending[]): Promise<void> {
    const drafts = new Drafts<Pending>(this.#lanes)
    try {
      this.#draft(batch, drafts)
      if (drafts.all.length > 0) await this.#settle(drafts.all)
    } catch (error) {
      this.#breakOff(batch, drafts.all, error)
    }
  }

  /** Takes out of the batch what it has seen to. */
  #draft(batch: Pending[], drafts: Drafts<Pending>): void {
    const later: Pending[] = []
    const promises = this.#room.promises()
    for (let pending = batch.shift(); pending; pending = batch.shift())
      try {
        if (pending.isGone()) throw gone()
        const drafted = drafts.add(pending, pending.sure, isFor(promises, pending.waiter))
        if (drafted === 'later') later.push(pending)
        if (drafted === 'none') this.#none(pending, this.#room.keeps(promises, pending.wants))
      } catch (error) {
        this.#end(pending, error)
      }
    this.#queue.unshift(...later)
  }

  /** @param isKept what it wants is there, for others who wait. */
  #none(pending: Pending, isKept: boolean): void {
    const mayWait = !this.#stopped && performance.now() < pending.endMs
    if (!pending.sure) {
      this.#unsure.push(pending)
      void this.#look()
    } else if (mayWait && pending.waiter !== undefined) {
      this.#room.add(pending.waiter, pending)
    } else if (mayWait && this.#room.size < mostWaiting) {
      void this.#beginWaiting(pending).catch((error) => this.#end(pending, error))
    } else if (isKept && pending.looks * keptLookMs <= heldMs) {
      void this.#lookLater(pending)
    } else this.#refused(pending)
  }

  /** Whoever is refused for what others were promised and never took was told something false. */
  async #lookLater(pending: Pending): Promise<void> {
    pending.looks++
    await sleep(keptLookMs)
    this.#queue.push(pending)
    void this.#run()
  }

  /** Lets memory catch up, once for all who wait for it. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    while (this.#unsure.length > 0) {
      const some = this.#unsure.splice(0)
      try {
        await this.#stores.mirror.catchUp()
        for (const pending of some) pending.sure = true
        this.#queue.unshift(...some)
        void this.#run()
      } catch (error) {
        for (const pending of some) this.#end(pending, error)
      }
    }
    this.#looking = false
  }

  /** Waits in the order of keys in etcd, and looks once more: a ship may have become free before the key was there. */
  async #beginWaiting(pending: Pending): Promise<void> {
    const { wants, count, waitSeconds } = pending
    pending.waiter = await this.#stores.waiters.add({
      wants,
      count,
      untilMs: Date.now() + waitSeconds * 1_000,
    })
    pending.drop = [this.#stores.waiters.keyOf(pending.waiter)]
    pending.sure = false
    this.#none(pending, false)
  }

  #refused(pending: Pending): void {
    void this.#refuse(pending).catch((error) => this.#end(pending, error))
  }

  /** Refuses it, and takes away the key with which it waited. */
  #end(pending: Pending, error: unknown): void {
    pending.refuse(error)
    if (pending.waiter !== undefined) this.#room.leave(pending.waiter)
  }

  async #refuse(pending: Pending): Promise<void> {
    const known = pending.asked && (await this.#stores.allocations.answerTo(pending.asked))
    if (known?.is === 'answered') {
      this.#replay(pending, known.text)
      return
    }
    if (known) throw keyReused()
    const full = this.#room.size >= mostWaiting ? `, and ${mostWaiting} wait already` : ''
    const waited = pending.waiter === undefined ? full : `, also after ${pending.waitSeconds} s`
    throw this.#refusals.noneFree(pending, waited)
  }

  #replay(pending: Pending, text: string): void {
    pending.give({ allocations: JSON.parse(text), replayed: true })
    if (pending.waiter !== undefined) this.#room.leave(pending.waiter)
  }

  async #settle(drafts: readonly Draft<Pending>[]): Promise<void> {
    const endMs = performance.now() + givenUpMs
    const deals = drafts.map(dealOf)
    for (let tries = 0; ; tries++) {
      try {
        const results = await this.#stores.allocations.commit(deals)
        for (const [i, result] of results.entries()) this.#settleOne(drafts[i] as Draft<Pending>, result)
        return
      } catch (error) {
        if (error instanceof TooLargeError) return this.#oneByOne(drafts)
        if (performance.now() >= endMs) throw error
        await sleep(backoffMs(tries, 20, 500))
      }
    }
  }

  /** They were taken for less than they are: whatever is too large by itself is refused, and nothing else. */
  async #oneByOne(drafts: readonly Draft<Pending>[]): Promise<void> {
    const [only, ...others] = drafts
    if (only && others.length === 0) {
      this.#lanes.again([...only.ships.keys()])
      for (const { of } of only.parts) this.#end(of, tooLarge(of))
      return
    }
    for (const [i, draft] of drafts.entries())
      try {
        await this.#settle([draft])
      } catch (error) {
        // Those before have been given.
        this.#breakOff([], drafts.slice(i), error)
        return
      }
  }

  /** The store is away: nobody waits in vain, and what was drafted may be had again, or happens after all. */
  #breakOff(batch: readonly Pending[], drafts: readonly Draft<Pending>[], error: unknown): void {
    const drafted = drafts.flatMap(({ parts }) => parts.map(({ of }) => of))
    for (const pending of [...batch, ...drafted, ...this.#queue.splice(0)]) this.#end(pending, error)
    this.#lanes.again(drafts.flatMap(({ ships }) => [...ships.keys()]))
    for (const draft of drafts) void this.#unclaimed.giveBackLater(keyless(draft))
  }

  #settleOne(draft: Draft<Pending>, result: Dealt): void {
    const { ships, parts } = draft
    if ('revision' in result) {
      this.#given(draft, result.revision)
      return
    }
    const rows = result.ships.flatMap((row) => row ?? [])
    for (const row of rows) this.#lanes.note(row)
    const own = parts[0] as Draft<Pending>['parts'][number]
    const [first] = rows
    const id = first && allocationId(first.value.id, own.of.taking.suffix)
    // An earlier try of the same commit, whose answer got lost.
    if (first?.value.allocations?.some((one) => one.id === id)) {
      this.#given(draft, first.revision)
      return
    }
    this.#lanes.again([...ships.keys()])
    const again: Pending[] = []
    let keyed = 0
    for (const { of } of parts) {
      const known = of.asked && result.answers[keyed++]
      if (known?.is === 'answered') this.#replay(of, known.text)
      else if (known) this.#end(of, keyReused())
      else if (of.tries >= mostTries) this.#end(of, contended(mostTries))
      else again.push(of)
      of.tries++
    }
    this.#queue.unshift(...again)
  }

  #given({ ships, parts }: Draft<Pending>, revision: number): void {
    for (const { after } of ships.values()) this.#lanes.note({ value: after, revision })
    for (const { of, views } of parts) {
      of.give({ allocations: views, replayed: false })
      // Whoever has a key comes back for the answer; nobody else could ever give it back.
      if (of.isGone() && !of.asked) void this.#unclaimed.giveBack(views, 'its caller hung up')
    }
  }
}

/** Whoever has a key comes back for the answer. */
function keyless({ parts }: Draft<Pending>): AllocationView[] {
  return parts.filter(({ of }) => !of.asked).flatMap(({ views }) => views)
}
