// Speed: decisions a second in bursts as the queue brings them, and the time of single decisions.
import type { Demand, Ticket } from '../../../shared/model/ticket.ts'
import { contenders } from './contenders.ts'
import { ruledBoard, ruledDemands } from './ruled.ts'

const inBurst = 50
const inRow = 5
const budgetMs = 4_000

export interface Speed {
  placed: number
  /** Per second of the clock, and of CPU, which other work on the machine disturbs less. */
  perSecond: number
  perCpuSecond: number
  /** Of single decisions, each with its own turn, in CPU time. */
  p50Us: number
  p99Us: number
}

/** Places tickets of `different` demands that take turns, until `tickets` are asked for or the time is up. */
export function measureSpeed(name: string, hosts: number, tickets: number, different = 40): Speed {
  const board = ruledBoard(hosts)
  const contend = contenders[name]?.(board)
  if (!contend) throw new Error(`there is no ${name}`)
  const demands = ruledDemands(different)
  const ticket = (i: number): Ticket => {
    const demand = demands[Math.floor(i / inRow) % different] as Demand
    return { ship: `ship-${i}`, attempt: 1, priority: i % 3, demand, avoidHosts: [], notBeforeMs: 0 }
  }
  let at = 0
  let placed = 0
  // Each demand once: what a class costs when it is new is not what a decision costs.
  contend(
    Array.from({ length: different * inRow }, () => ticket(at++)),
    performance.now(),
  )
  const begunMs = performance.now()
  const begunCpu = process.cpuUsage()
  while (at < tickets && performance.now() - begunMs < budgetMs) {
    placed += contend(
      Array.from({ length: inBurst }, () => ticket(at++)),
      performance.now(),
    )
  }
  const { user, system } = process.cpuUsage(begunCpu)
  const tookMs = performance.now() - begunMs
  const singlesUs = timeSingles(contend, () => ticket(at++), Math.min(20_000, placed / 2))
  return {
    placed,
    perSecond: (placed / tookMs) * 1_000,
    perCpuSecond: (placed / (user + system)) * 1e6,
    p50Us: singlesUs[Math.floor(singlesUs.length * 0.5)] ?? 0,
    p99Us: singlesUs[Math.floor(singlesUs.length * 0.99)] ?? 0,
  }
}

function timeSingles(contend: (burst: Ticket[], nowMs: number) => number, next: () => Ticket, count: number) {
  const tookUs: number[] = []
  for (let i = 0; i < count; i++) {
    const burst = [next()]
    const begun = process.cpuUsage()
    contend(burst, performance.now())
    const { user, system } = process.cpuUsage(begun)
    tookUs.push(user + system)
  }
  return tookUs.sort((a, b) => a - b)
}
