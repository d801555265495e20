// What this host is: its capacity, ports, labels and address, from the machine and the settings.
import { availableParallelism, networkInterfaces, totalmem } from 'node:os'
import { ArmadaError } from '../shared/errors.ts'
import { HostDescription } from '../shared/model/host.ts'
import type { Settings } from '../shared/settings.ts'

export interface Machine {
  cores: number
  memoryMiB: number
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
    memoryMiB: Math.floor(totalmem() / 1024 / 1024),
    address: outward[0]?.address ?? '127.0.0.1',
  }
}

/** @throws ArmadaError that names the setting which is wrong. */
export function describeHost(
  settings: Settings<'agent'>,
  machine: Machine,
  agentVersion: string,
): HostDescription {
  const [from, to] = settings.portRange.split('-').map(Number)
  const reservedMiB = Math.max(512, Math.ceil(machine.memoryMiB / 10))
  const description = HostDescription.safeParse({
    id: settings.hostId,
    address: settings.hostAddress ?? machine.address,
    capacity: {
      cpuMillis: settings.cpuMillis ?? machine.cores * 1_000,
      memoryMiB: settings.memoryMiB ?? Math.max(0, machine.memoryMiB - reservedMiB),
    },
    ports: { from, to },
    labels: Object.fromEntries(pairsOf(settings.hostLabels)),
    taints: pairsOf(settings.hostTaints).map(([key, value]) => ({ key, value })),
    agentVersion,
  })
  if (description.success) return description.data
  const issues = description.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new ArmadaError('invalid_request', `This host cannot be described: ${issues.join('; ')}`)
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
