// How many ships may yet be made: what the quotas over a fleet and over a token leave, exact across ApiServers.
import { ArmadaError } from '../../../shared/errors.ts'
import type { Fleet } from '../../../shared/model/fleet.ts'
import type { Use } from '../../../shared/model/quota.ts'
import type { Resources } from '../../../shared/model/resources.ts'
import { liveOf } from '../../../shared/model/shipState.ts'
import type { Quota, Token } from '../../../shared/model/token.ts'
import { fits as fitsPattern } from '../../../shared/model/token.ts'
import type { Condition, Write } from '../../stores/etcd/kv.ts'
import { etcdKeys } from '../../stores/keys.ts'
import { noUse, plus } from '../../stores/mirror/useIndex.ts'
import type { Guard } from '../../stores/quotas.ts'
import type { Stores } from '../../stores/stores.ts'

/** What ships count under. */
export interface Account {
  fleet: string | null
  /** Whose ships they are: only a token that admins made can have a quota. */
  token: Pick<Token, 'name' | 'quota'> | undefined
}

export interface Wish extends Account {
  each: Resources
  /** 0: they are there already, and grow by `each`. Default: 1. */
  ships?: number
  /** Ships of the next transaction, by what is known when they are counted. */
  count: () => number
  /** Ships of the transactions that follow it. */
  later?: () => number
  /** The same for all transactions of one request. */
  holder: string
  /** Whether what other fleets lack counts as taken: whoever asks for more leaves that alone. */
  behindFleets: boolean
}

export interface Allowance {
  /** How many of them fit, later ones included. */
  fits: number
  /** Why not all of them do. */
  refusal: string | null
  /** What has to be part of the transaction. */
  conditions: Condition[]
  writes: Write[]
}

interface Limit {
  title: string
  guardKey: string
  quota: Quota
  /** Whether ships of such a fleet count. */
  covers: (fleet: Pick<Fleet, 'name' | 'createdBy'>) => boolean
  used: () => Use
}

const catchUpMs = 2_000
const measures = { ships: 'ships', cpuMillis: 'millicores of CPU', memoryMiB: 'MiB of memory' } as const

export class Allowances {
  #stores: Stores

  constructor(stores: Stores) {
    this.#stores = stores
  }

  /** The account of a fleet's ships. */
  accountOf({ name, createdBy, makerQuota }: Pick<Fleet, 'name' | 'createdBy' | 'makerQuota'>): Account {
    if (createdBy === undefined) return { fleet: name, token: undefined }
    // Whoever revokes a token does not mean to lift its quota from the fleets that it made.
    const token = this.#stores.tokens.table.get(createdBy)?.value.token ?? {
      name: createdBy,
      quota: makerQuota ?? null,
    }
    return { fleet: name, token }
  }

  /** What is free of every quota over the account. Without any it costs nothing. @throws ArmadaError unavailable. */
  async ask(wish: Wish): Promise<Allowance> {
    const { mirror, quotas } = this.#stores
    for (let tries = 0; tries < 4; tries++) {
      const limits = this.#limitsOn(wish)
      if (limits.length === 0) return { fits: wantedIn(wish), refusal: null, conditions: [], writes: [] }
      const guards = await Promise.all(limits.map(({ guardKey }) => quotas.guard(guardKey)))
      const newest = Math.max(...guards.map(({ revision }) => revision))
      await mirror.reach(newest, catchUpMs)
      if (mirror.revision < newest) break
      let judged = await this.#judge(wish, limits, guards)
      if (judged.refusal !== null) {
        // What has ended by now may not be known here yet.
        await mirror.catchUp(catchUpMs)
        judged = await this.#judge(wish, limits, guards)
      }
      // A limit that came, went or changed meanwhile is counted anew, with its guard as it is now.
      if (!sameLimits(limits, this.#limitsOn(wish))) continue
      const later = wish.later?.() ?? 0
      const promise = later > 0 ? plus(noUse, useOf(wish), later) : null
      const won = guards.map((guard) => guard.won(wish.holder, promise))
      return {
        ...judged,
        conditions: won.map(({ condition }) => condition),
        writes: won.map(({ write }) => write),
      }
    }
    throw new ArmadaError(
      'unavailable',
      'What is used of the quotas cannot be counted just now. Try again.',
      {
        retryAfterSeconds: 1,
      },
    )
  }

  /** The same for who wants all or nothing. @throws ArmadaError quota_exceeded. */
  async demand(wish: Wish): Promise<Allowance> {
    const allowance = await this.ask(wish)
    if (allowance.refusal === null) return allowance
    throw new ArmadaError(
      'quota_exceeded',
      `${allowance.refusal} Stop some, ask for fewer, or have an admin raise the quota.`,
    )
  }

  #limitsOn({ fleet, token }: Account): Limit[] {
    const { quotas, ships } = this.#stores
    const limits: Limit[] = []
    if (token?.quota) {
      const { name, quota } = token
      limits.push({
        title: `The quota of token "${name}"`,
        guardKey: etcdKeys.tokenGuard(name),
        quota,
        covers: (other) => other.createdBy === name,
        used: () => ships.use.ofMaker(name),
      })
    }
    if (fleet === null) return limits
    for (const [name, { value: quota }] of quotas.table.rows()) {
      const covers = (other: { name: string }) => quota.fleets.some((one) => fitsPattern(one, other.name))
      if (!covers({ name: fleet })) continue
      const guardKey = etcdKeys.quotaGuard(name)
      const used = () => usedBy(ships.use.byFleet(), (one) => covers({ name: one }))
      limits.push({ title: `Quota "${name}"`, guardKey, quota, covers, used })
    }
    return limits
  }

  async #judge(wish: Wish, limits: readonly Limit[], guards: readonly Guard[]) {
    const { holder, fleet, behindFleets } = wish
    const all = wantedIn(wish)
    let fits = all
    let refusal: string | null = null
    for (const [i, limit] of limits.entries()) {
      let taken = limit.used()
      for (const use of guards[i]?.promised(holder) ?? []) taken = plus(taken, use)
      if (behindFleets) taken = plus(taken, await this.#lacking(limit, fleet))
      for (const measure of Object.keys(measures) as (keyof Use)[]) {
        const most = limit.quota[measure]
        const one = useOf(wish)[measure]
        if (most === null || one === 0) continue
        const room = Math.max(0, Math.floor((most - taken[measure]) / one))
        if (room >= fits) continue
        fits = room
        const what = `${most} ${measures[measure]}`
        refusal = `${limit.title} allows ${what}: ${taken[measure]} are taken, ${all * one} more are wanted.`
      }
    }
    return { fits, refusal }
  }

  /** What the other fleets under the limit have ordered and not got yet. */
  async #lacking(limit: Limit, except: string | null): Promise<Use> {
    const { fleets, ships, blueprints } = this.#stores
    let sum: Use = noUse
    for (const [name, { value: fleet }] of fleets.table.rows()) {
      if (fleet.deleting || name === except || !limit.covers(fleet)) continue
      const missing = fleet.replicas - liveOf(ships.index.countsOfFleet(name))
      if (missing <= 0) continue
      const blueprint = await blueprints.get(fleet.blueprint.name, fleet.blueprint.revision)
      if (blueprint) sum = plus(sum, useOf({ each: blueprint.spec.resources }), missing)
    }
    return sum
  }
}

export function usedBy(uses: Iterable<[string, Readonly<Use>]>, covers: (fleet: string) => boolean): Use {
  let sum: Use = noUse
  for (const [fleet, use] of uses) if (covers(fleet)) sum = plus(sum, use)
  return sum
}

function wantedIn({ count, later }: Wish): number {
  return count() + (later?.() ?? 0)
}

function useOf({ each, ships = 1 }: Pick<Wish, 'each' | 'ships'>): Use {
  const { cpuMillis, memoryMiB } = each
  return { ships, cpuMillis, memoryMiB }
}

function sameLimits(before: readonly Limit[], now: readonly Limit[]): boolean {
  const told = (limits: readonly Limit[]) =>
    JSON.stringify(limits.map(({ guardKey, quota }) => [guardKey, quota]))
  return told(before) === told(now)
}
