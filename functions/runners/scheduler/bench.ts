// Measures decisions a second: `node --import tsx functions/runners/scheduler/bench.ts [hosts] [tickets] [demands]`.
//
// Hosts in 20 zones, a third in use; tickets of 40 demands that use every rule, in bursts as the queue brings them.
import type { HostDescription } from '../../../shared/model/host.ts'
import { Placement } from '../../../shared/model/placement.ts'
import { PortRequest } from '../../../shared/model/port.ts'
import type { Demand } from '../../../shared/model/ticket.ts'
import { Board } from './board.ts'
import { decide } from './decide.ts'
import { DemandClasses } from './demandClasses.ts'
import { Pile } from './pile.ts'

const [hosts = 10_000, tickets = 100_000, different = 40] = process.argv.slice(2).map(Number)
const burst = 50

function hostOf(i: number): HostDescription {
  return {
    id: `host-${i}`,
    address: '10.0.0.1',
    capacity: { cpuMillis: 64_000, memoryMiB: 131_072 - (i % 4) * 16_384 },
    ports: { from: 7_000, to: 8_000 },
    labels: {
      region: ['eu', 'us', 'asia'][i % 3] as string,
      zone: `zone-${i % 20}`,
      disk: i % 2 ? 'ssd' : 'hdd',
    },
    taints: i % 50 === 0 ? [{ key: 'spot', value: '' }] : [],
    agentVersion: 'bench',
  }
}

function demandOf(i: number): Demand {
  const fleet = `fleet-${i}`
  const placement = Placement.parse({
    strategy: i % 4 === 3 ? 'distributed' : 'packed',
    require: i % 2 ? [{ key: 'region', values: ['eu', 'us'] }] : [],
    prefer: i % 3 ? [{ selector: { key: 'disk', values: ['ssd'] }, weight: 50 }] : [],
    antiAffinity: i % 5 === 0 ? 'required' : i % 5 === 1 ? 'preferred' : 'none',
    ...(i % 7 === 0 && { spread: { label: 'zone', maxSkew: 1 } }),
    tolerations: i % 6 === 0 ? ['spot'] : [],
  })
  const ports = [
    PortRequest.parse({ name: 'game', containerPort: 7_777, protocol: i % 2 ? 'udp' : 'tcp+udp' }),
  ]
  return {
    fleet,
    placement,
    ports,
    resources: { cpuMillis: 250 + 250 * (i % 4), memoryMiB: 512 + 256 * (i % 5) },
  }
}

const board = new Board(1)
for (let i = 0; i < hosts; i++) {
  const description = hostOf(i)
  board.put({ description, degraded: null })
  if (i % 3 > 0) continue
  const resources = { cpuMillis: 16_000, memoryMiB: 32_768 }
  board.see(description.id, [
    { ship: `old-${i}`, attempt: 1, fleet: null, resources, hostPorts: [7_000 + (i % 900)] },
  ])
}
const pile = new Pile()
const classes = new DemandClasses(board)
const demands = Array.from({ length: different }, (_, i) => demandOf(i))
const turnsMs: number[] = []
let placed = 0
let refused = 0

const begunMs = performance.now()
const begunCpu = process.cpuUsage()
for (let at = 0; at < tickets; at += burst) {
  for (let i = at; i < Math.min(tickets, at + burst); i++) {
    const demand = demands[Math.floor(i / 5) % demands.length] as Demand
    pile.add({ ship: `ship-${i}`, attempt: 1, priority: i % 3, demand, avoidHosts: [], notBeforeMs: 0 }, at)
  }
  const turnMs = performance.now()
  const decisions = decide({ board, pile, classes, nowMs: at, limit: 4_000 })
  turnsMs.push(performance.now() - turnMs)
  for (const { entry } of decisions.placed) pile.remove(entry)
  placed += decisions.placed.length
  refused += decisions.blocked.length
}
const tookMs = performance.now() - begunMs
const { user, system } = process.cpuUsage(begunCpu)
turnsMs.sort((a, b) => a - b)
const perDecisionUs = (share: number): string =>
  (((turnsMs[Math.floor(turnsMs.length * share)] ?? 0) * 1_000) / burst).toFixed(1)
process.stdout.write(
  `${hosts} hosts: ${placed} placed (${refused} blocked groups seen, ${pile.size} wait) in ${tookMs.toFixed(0)} ms: ` +
    `${Math.round((placed / tookMs) * 1_000)} decisions/s, ${Math.round((placed / (user + system)) * 1e6)} per second of CPU; per decision in a burst of ${burst}: ` +
    `p50 ${perDecisionUs(0.5)} us, p99 ${perDecisionUs(0.99)} us; ` +
    `${Math.round(process.memoryUsage().rss / 1_048_576)} MiB\n`,
)
