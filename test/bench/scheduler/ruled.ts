// Clusters and demands on which every rule is at work: 20 zones, taints, a third of the hosts in use.
import { Board } from '../../../functions/runners/scheduler/board.ts'
import type { HostDescription } from '../../../shared/model/host.ts'
import { Placement } from '../../../shared/model/placement.ts'
import { PortRequest } from '../../../shared/model/port.ts'
import type { Demand } from '../../../shared/model/ticket.ts'

export function ruledBoard(hosts: number): Board {
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
  return board
}

export function ruledDemands(count: number): Demand[] {
  return Array.from({ length: count }, (_, i) => demandOf(i))
}

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
  const placement = Placement.parse({
    strategy: i % 4 === 3 ? 'distributed' : 'packed',
    require: i % 2 ? [{ key: 'region', values: ['eu', 'us'] }] : [],
    prefer: i % 3 ? [{ selector: { key: 'disk', values: ['ssd'] }, weight: 50 }] : [],
    antiAffinity: i % 5 === 0 ? 'required' : i % 5 === 1 ? 'preferred' : 'none',
    ...(i % 7 === 0 && { spread: { label: 'zone', maxSkew: 1 } }),
    tolerations: i % 6 === 0 ? ['spot'] : [],
  })
  const protocol = i % 2 ? 'udp' : 'tcp+udp'
  return {
    fleet: `fleet-${i}`,
    placement,
    ports: [PortRequest.parse({ name: 'game', containerPort: 7_777, protocol })],
    resources: { cpuMillis: 250 + 250 * (i % 4), memoryMiB: 512 + 256 * (i % 5) },
  }
}
