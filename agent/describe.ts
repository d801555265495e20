// What this host is: its capacity, ports, labels and address, from the machine and the settings.
import { statfsSync } from 'node:fs'
import { availableParallelism, networkInterfaces, totalmem } from 'node:os'
import { ArmadaError } from '../shared/errors.ts'
import { HostDescription } from '../shared/model/host.ts'
import { defaultRange, overlap, type PortRange } from '../shared/model/port.ts'
import { isField, MiB } from '../shared/model/resources.ts'
import type { Settings } from '../shared/settings.ts'

export interface Machine {
  cores: number
  memoryMiB: number
  diskMiB: number
  address: string
}

/** Bridges that container engines make: nobody outside reaches those. */
const ofContainers = /^(docker|br-|veth|virbr|arm-|cni)/

export function thisMachine(): Machine {
  const interfaces = Object.entries(networkInterfaces()).filter(([name]) => !ofContainers.test(name))
  const addresses = interfaces.flatMap(([, one]) => one ?? [])
  const outward = addresses.filter(({ internal, family }) => !internal && family === 'IPv4')
  return {
    cores: availableParallelism(),
    memoryMiB: Math.floor(totalmem() / MiB),
    diskMiB: diskMiB(),
    address: outward[0]?.address ?? '127.0.0.1',
  }
}

/** @throws ArmadaError that names the setting which is wrong. */
export function describeHost(
  settings: Settings<'agent'>,
  machine: Machine,
  agentVersion: string,
): HostDescription {
  const { from, to } = rangeOf(settings.portRange)
  const reservedMiB = Math.max(512, Math.ceil(machine.memoryMiB / 10))
  const capacity = {
    cpuMillis: settings.cpuMillis ?? machine.cores * 1_000,
    memoryMiB: settings.memoryMiB ?? Math.max(0, machine.memoryMiB - reservedMiB),
    diskMiB: settings.diskMiB ?? Math.floor(machine.diskMiB * 0.9),
    extra: numbersOf(settings.extraResources),
  }
  const description = HostDescription.safeParse({
    id: settings.hostId,
    address: settings.hostAddress ?? machine.address,
    capacity,
    // Both always: they replace what an earlier start of the agent said.
    overcommit: numbersOf(settings.overcommit),
    reserved: reservedOf(settings.reserved, capacity),
    ports: { from, to },
    portRanges: rangesOf(settings.portRanges, { from, to }, rangeOf(settings.sdkPorts)),
    labels: Object.fromEntries(pairsOf(settings.hostLabels)),
    taints: pairsOf(settings.hostTaints).map(([key, value]) => ({ key, value })),
    agentVersion,
    resizes: true,
  })
  if (description.success) return description.data
  const issues = description.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new ArmadaError('invalid_request', `This host cannot be described: ${issues.join('; ')}`)
}

/** Of the file system where Docker usually keeps its data. */
function diskMiB(): number {
  for (const place of ['/var/lib/docker', '/var/lib', '/']) {
    try {
      const { blocks, bsize } = statfsSync(place)
      return Math.floor((blocks * bsize) / MiB)
    } catch {
      // It is not there, or not for us.
    }
  }
  return 0
}

interface Capacity {
  cpuMillis: number
  memoryMiB: number
  diskMiB: number
  extra: Record<string, number>
}

function reservedOf(text: string, capacity: Capacity) {
  const { extra, ...plain } = capacity
  const has: Record<string, number> = {
    cpu: plain.cpuMillis,
    memory: plain.memoryMiB,
    disk: plain.diskMiB,
    ...extra,
  }
  const amounts = pairsOf(text).map(([name, value]): [string, number] => {
    const of = Object.hasOwn(has, name) ? (has[name] ?? 0) : 0
    return [
      name,
      value.endsWith('%') ? Math.ceil((of * numberOf(value.slice(0, -1))) / 100) : numberOf(value),
    ]
  })
  const { cpu = 0, memory = 0, disk = 0 } = Object.fromEntries(amounts)
  const others = amounts.filter(([name]) => !isField(name))
  return { cpuMillis: cpu, memoryMiB: memory, diskMiB: disk, extra: Object.fromEntries(others) }
}

function numbersOf(text: string): Record<string, number> {
  return Object.fromEntries(pairsOf(text).map(([name, value]) => [name, numberOf(value)]))
}

function rangeOf(text: string): PortRange {
  const [from = Number.NaN, to = Number.NaN] = text.split('-').map(Number)
  return { from, to }
}

/** @throws ArmadaError when two overlap, and a number would be of both. */
function rangesOf(text: string, ports: PortRange, sdkPorts: PortRange): Record<string, PortRange> {
  const own: [string, PortRange][] = [
    [defaultRange, ports],
    ['ARMADA_SDK_PORTS', sdkPorts],
  ]
  const named = [...own]
  for (const pair of text.split(',').filter(Boolean)) {
    const [name = '', range = ''] = pair.split(':')
    const next = rangeOf(range)
    const other = named.find(([taken, one]) => taken === name || overlap(one, next))
    if (other)
      throw new ArmadaError(
        'invalid_request',
        `This host cannot be described: its port ranges "${name}" and "${other[0]}" overlap, or have one name. The range "${defaultRange}" is that of ARMADA_PORTS, the others are those of ARMADA_PORT_RANGES; none may have ports of ARMADA_SDK_PORTS.`,
      )
    named.push([name, next])
  }
  return Object.fromEntries(named.slice(own.length))
}

/** NaN, which no schema takes, for what is no number. */
function numberOf(text: string): number {
  return text === '' ? Number.NaN : Number(text)
}

function pairsOf(text: string): [string, string][] {
  return text
    .split(',')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const [key = '', ...value] = pair.split('=')
      return [key.trim(), value.join('=').trim()]
    })
}
