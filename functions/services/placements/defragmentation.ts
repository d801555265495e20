// Which hosts could be emptied: the ApiServer knows what is aboard and in use, the scheduler where else it fits.
import type { Defragmentation } from '../../../shared/api/simulations.ts'
import { ordersOf } from '../../../shared/model/host.ts'
import {
  type EmptyQuestion,
  type EmptyReply,
  mostEmptied,
  mostMoved,
} from '../../../shared/model/question.ts'
import type { Ship } from '../../../shared/model/ship.ts'
import { isAboard, isSpared } from '../../../shared/model/shipState.ts'
import { type Demand, demandOf } from '../../../shared/model/ticket.ts'
import type { Stores } from '../../stores/stores.ts'

/** Hosts in use that are told of; the rest has more ships aboard. */
const mostKept = 200

interface Used {
  host: string
  aboard: Ship[]
  inUse: number
}

export async function defragmentation(
  stores: Stores,
  ask: (question: EmptyQuestion) => Promise<EmptyReply>,
): Promise<Defragmentation> {
  const { hosts } = stores
  const used = usedHosts(stores)
  const free = used.filter(({ inUse, aboard }) => inUse === 0 && aboard.every(isSettled))
  const { question, asked } = await questionOf(free, stores)
  const replies = asked.length > 0 ? (await ask(question)).hosts : []
  const byHost = new Map(replies.map((reply) => [reply.host, reply]))
  const rest = used.filter(({ host }) => !byHost.get(host)?.moves)
  return {
    emptiable: replies.flatMap(({ host, moves }) => (moves ? [{ host, moves }] : [])),
    kept: rest.slice(0, mostKept).map(({ host, aboard, inUse }) => ({
      ...{ host, ships: aboard.length, inUse },
      reason:
        keptBy(inUse, aboard) ??
        byHost.get(host)?.reason ??
        'it was not looked at: it has more ships than others',
    })),
    empty: hosts.table.size - used.length,
    complete: asked.length === free.length && rest.length <= mostKept,
  }
}

/** Those with ships aboard, the fewest first; hosts that are drained are emptied as it is. */
function usedHosts({ hosts, ships }: Stores): Used[] {
  const used: Used[] = []
  for (const [host, { value }] of hosts.table.rows()) {
    const aboard = ships.index
      .ofHost(host)
      .map((row) => row.value)
      .filter(({ state }) => isAboard(state))
    const inUse = aboard.filter(isSpared).length
    if (aboard.length > 0 && !ordersOf(value).drain) used.push({ host, aboard, inUse })
  }
  return used.sort((a, b) => a.aboard.length - b.aboard.length)
}

async function questionOf(
  free: readonly Used[],
  { blueprints }: Stores,
): Promise<{ question: EmptyQuestion; asked: readonly Used[] }> {
  const demands: Demand[] = []
  const numbers = new Map<string, number>()
  const numberOf = async ({ blueprint: { name, revision }, fleet }: Ship): Promise<number> => {
    const key = `${name}@${revision} ${fleet ?? ''}`
    const known = numbers.get(key)
    if (known !== undefined) return known
    const spec = (await blueprints.get(name, revision))?.spec
    if (!spec) return -1
    const demand = demandOf(spec, fleet)
    // Moves onto hosts in use are looked for, whatever the ship's own strategy is.
    const number = demands.push({ ...demand, placement: { ...demand.placement, strategy: 'packed' } }) - 1
    numbers.set(key, number)
    return number
  }
  const asked: Used[] = []
  const hosts: EmptyQuestion['hosts'] = []
  let ships = 0
  for (const one of free.slice(0, mostEmptied)) {
    ships += one.aboard.length
    if (ships > mostMoved) break
    const numbered = await Promise.all(
      one.aboard.map(async (ship) => [ship.id, await numberOf(ship)] as [string, number]),
    )
    if (numbered.some(([, number]) => number < 0)) continue
    hosts.push({ host: one.host, ships: numbered })
    asked.push(one)
  }
  return { question: { kind: 'empty', demands, hosts }, asked }
}

function keptBy(inUse: number, aboard: readonly Ship[]): string | undefined {
  if (inUse > 0) return `${inUse} of its ships ${inUse === 1 ? 'is' : 'are'} in use`
  const coming = aboard.filter((ship) => !isSettled(ship)).length
  return coming > 0 ? `${coming} of its ships are starting or stopping` : undefined
}

function isSettled({ state }: Ship): boolean {
  return state === 'Ready' || state === 'Unhealthy'
}
